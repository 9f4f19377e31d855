"""A part of the backbone trained with the head, on the running product: an ordinary run with a model like any other."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from support import CommandLine, Finished

TUNED = {"tune__freeze": "blocks.14", "tune__epochs": 2, "cross_validate__folds": 2}
AFTERWARDS = ["evaluate", "changes", "promote", "labels", "nights", "report"]
OF_THE_BACKBONE = ["dataset", "backbone", "audit", "augment", "data_new", "features", "sources"]


@pytest.mark.parametrize("freeze", ["blocks.14", pytest.param("after:blocks.1", marks=pytest.mark.acceptance)])
def test_a_tuned_run_computes_what_differs_and_its_model_predicts_as_it_was_evaluated(
    garbage: CommandLine, tiny_dataset: Path, first: Finished, freeze: str
) -> None:
    settings = {**TUNED, "tune__freeze": freeze}
    tuned = garbage.run(tiny_dataset, **settings)
    assert {name for name, status in tuned.statuses.items() if status == "reused"} == set(OF_THE_BACKBONE)
    trained = ["cut", "activations", "train", "cross_validate", "tuned features"]
    assert [name for name, status in tuned.statuses.items() if status == "computed"] == [*trained, *AFTERWARDS]
    assert set(garbage.run(tiny_dataset, **settings).statuses.values()) == {"reused"}

    before, after = (Path(each.json["model"], "backbone", "backbone.ckpt").read_bytes() for each in (first, tuned))
    assert before != after
    with Path(tuned.json["evaluation"], "predictions.csv").open(encoding="utf-8") as file:
        judged = {row["image"]: row for row in csv.DictReader(file) if row["view"] == "clean"}
    predicted = garbage("predict", "--json", "--model", tuned.json["model"], tiny_dataset / "test")
    assert predicted.code == 0, predicted.err
    assert len(predicted.json) == len(judged) == 9
    for row in predicted.json:
        expected = judged[str(Path(row["image"]).relative_to(tiny_dataset))]
        assert row["class"] == expected["predicted"]
        assert row["probability"] == pytest.approx(float(expected["confidence"]), abs=2e-3)


@pytest.mark.acceptance
def test_a_sweep_and_another_rate_reuse_what_a_tuned_run_has_computed(
    garbage: CommandLine, tiny_dataset: Path, first: Finished
) -> None:
    garbage.run(tiny_dataset, **TUNED)
    sweep = garbage.artifacts.parent / "depth.yaml"
    sweep.write_text("trials:\n  head: {tune.freeze: backbone}\n  tail: {}\n", encoding="utf-8")
    swept = garbage("sweep", "--json", "--dataset", tiny_dataset, sweep, **TUNED)
    assert swept.code == 0, swept.err
    assert {name for name, status in swept.statuses.items() if status == "computed"} == {
        "head cross_validate",  # in two folds and not in five
        "leaderboard",
        "report",
    }

    slower = garbage.run(tiny_dataset, **TUNED, tune__lr_max=0.0005)
    again = {name for name, status in slower.statuses.items() if status == "computed"}
    assert again == {"train", "cross_validate", "tuned features", *AFTERWARDS}


@pytest.mark.acceptance
def test_the_whole_network_is_tuned_where_nothing_is_frozen(garbage: CommandLine, tiny_dataset: Path, first: Finished) -> None:
    tuned = garbage.run(tiny_dataset, **{**TUNED, "tune__freeze": "none", "tune__refit": "false"})
    manifest = json.loads(Path(tuned.json["model"], "manifest.json").read_text(encoding="utf-8"))
    spec = json.loads(Path(tuned.json["model"], "backbone", "backbone.json").read_text(encoding="utf-8"))
    assert manifest["summary"]["frozen"] == "none"
    # All but batch norm's moving statistics, which are folded into the convolutions, and with them a scale a channel.
    assert manifest["summary"]["parameters"] > 0.9 * spec["parameters"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"tune__freeze": "block.14"},
            "tune.freeze='block.14' is no part of mobilenetv2 that can be frozen; did you mean 'blocks.14'?",
        ),
        (
            {"tune__freeze": "after:blocks.4", "augment_train__views": 0},
            "learns from noisy views, of which there are none: set augment_train.views to 1 or more",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_computed(
    garbage: CommandLine, tiny_dataset: Path, settings: dict[str, Any], sentence: str
) -> None:
    refused = garbage("run", "--dataset", tiny_dataset, **settings)
    assert refused.code != 0
    assert sentence in refused.err
    assert "Traceback" not in refused.err
    assert not (garbage.artifacts / "stages").exists()
