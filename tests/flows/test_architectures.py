"""Backbones of different architectures, on the running product: all of them work, and none touches another one's results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import CommandLine, Finished

LITE0 = {"backbone__architecture": "efficientnet_lite0"}


@pytest.mark.acceptance
def test_another_architecture_goes_all_the_way_to_predictions_and_leaves_the_first_ones_results(
    garbage: CommandLine, tiny_dataset: Path, first: Finished
) -> None:
    finished = garbage.run(tiny_dataset, **LITE0)
    reused = [name for name, status in finished.statuses.items() if status == "reused"]
    assert reused[:4] == ["dataset", "audit", "augment", "data_new"]
    assert finished.stage("backbone")["reason"].startswith(
        "setting `backbone.architecture` mobilenetv2 -> efficientnet_lite0; code changed: "
    )
    assert {"backbone", "features", "train", "evaluate", "report"} & set(reused) == set()

    photograph = next((tiny_dataset / "test" / "Cans").iterdir())
    predicted = garbage("predict", "--json", photograph, "--model", finished.json["model"])
    assert predicted.code == 0, predicted.err
    assert predicted.json[0]["class"] in {"Battery", "Cans", "Paper"}
    spec = json.loads(Path(finished.json["model"], "backbone", "backbone.json").read_text(encoding="utf-8"))
    assert spec["architecture"] == "efficientnet_lite0"
    assert (spec["preprocessing"]["mean"], spec["preprocessing"]["std"]) == ([127.0] * 3, [128.0] * 3)

    before = garbage.run(tiny_dataset)
    counted = {name for name, status in before.statuses.items() if status == "computed"}
    # The other one has become the champion, which this one meets.
    assert counted - {"report"} == {"champion features", "changes", "promote", "nights"}


def test_an_edit_of_one_architecture_or_a_new_row_makes_nothing_of_another_one_stale(
    garbage: CommandLine, tiny_dataset: Path, first: Finished
) -> None:
    garbage.edit("pipeline_lib/models/efficientnet_lite.py", "LAST_CHANNELS = 32, 1280", "LAST_CHANNELS = 32, 1288")
    row = 'ENTRIES = (\n    Entry("third", Code("pipeline_lib.models.third", "ARCHITECTURE")),'
    garbage.edit("pipeline_lib/models/architectures.py", "ENTRIES = (", row)
    assert set(garbage("status", "--json", "--dataset", tiny_dataset).statuses.values()) == {"reused"}

    garbage.edit(
        "pipeline_lib/models/mobilenetv2.py",
        'padding="tensorflow", bn_eps=1e-3, mean',
        'padding="tensorflow", bn_eps=2e-3, mean',
    )
    planned = garbage("status", "--json", "--dataset", tiny_dataset)
    assert planned.stage("backbone")["reason"] == "code changed: `pipeline_lib/models/mobilenetv2.py`"
    assert planned.stage("features")["reason"] == "follows from `backbone`"
