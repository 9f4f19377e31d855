"""Champion and challenger on the running product: a worse model never takes over, and a person has the last word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import COLOURS, CommandLine, Finished

from pipeline_lib.evaluation.nights import Night, read_nights

WORSE = {"train__epochs": 1, "train__warmup_epochs": 0, "train__lr_max": 0.00001, "train__lr_start": 0.0, "train__lr_end": 0.0}


@pytest.fixture
def mosaics(tmp_path: Path) -> Path:
    """A dataset that even a backbone with random weights tells apart: tiles around the colour of each class."""
    rng, root = np.random.default_rng(5), tmp_path / "pictures"
    for split, count in (("train", 12), ("test", 3)):
        for name, colour in COLOURS.items():
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                tiles = np.clip(np.array(colour) + rng.normal(0, 40, (12, 12, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(tiles).resize((48, 48), Image.Resampling.NEAREST).save(folder / f"{number:03}.png")
    return root


def models(garbage: CommandLine) -> dict[str, dict[str, Any]]:
    """What ``garbage models`` lists, by key."""
    return {each["key"]: each for each in garbage("models", "--json").json["models"]}


def key(finished: Finished) -> str:
    return Path(finished.json["model"]).name


def champion(garbage: CommandLine) -> str:
    return (garbage.artifacts / "latest/garbage-finetune/pictures/champion").resolve().name


def nights(garbage: CommandLine, finished: Finished) -> list[Night]:
    """The nights that a run has shown."""
    return read_nights(garbage.artifacts / "stages/nights" / finished.stage("nights")["key"])


def predicting(garbage: CommandLine, dataset: Path) -> str:
    """The folder of the model that ``garbage predict`` says it uses, and since when it is the champion."""
    finished = garbage("predict", "--json", "--dataset", dataset, dataset / "test")
    assert finished.code == 0, finished.err
    return finished.err


def test_a_worse_model_does_not_take_over_unless_a_person_says_so(garbage: CommandLine, mosaics: Path) -> None:
    first = garbage.run(mosaics)
    assert first.json["champion"].startswith("promoted: it is the first model")
    assert first.json["changes"]["compared"] is False
    again = garbage.run(mosaics)
    assert set(again.statuses.values()) == {"reused"}
    assert again.json["champion"].startswith("the champion since ")

    worse = garbage.run(mosaics, **WORSE)
    assert worse.json["champion"].startswith("kept: the challenger is worse: -")
    assert {"champion features", "promote"} <= {name for name, status in worse.statuses.items() if status == "computed"}
    assert champion(garbage) == key(first) != key(worse)
    assert {"train.epochs", "train.lr_max"} <= {each["name"] for each in worse.json["changes"]["differing"]}
    assert not any(worse.json["changes"]["photographs"].values())
    assert [night.decision for night in nights(garbage, worse)] == ["promoted", "kept"]
    assert "champion since " in predicting(garbage, mosaics)
    assert worse.json["champion"].partition(": ")[2] in Path(worse.json["report"]).read_text(encoding="utf-8")
    assert set(garbage.run(mosaics, **WORSE).statuses.values()) == {"reused"}
    assert {name: each["alias"] for name, each in models(garbage).items()} == {key(first): "champion", key(worse): ""}

    by_hand = garbage("promote", "--json", key(worse)[:6]).json
    assert (by_hand["champion"], by_hand["replaced"]) == (key(worse), key(first))
    assert garbage.run(mosaics, **WORSE).json["champion"].startswith("the champion since ")
    back = garbage("rollback", "--json", "--dataset", mosaics).json
    assert (back["champion"], back["replaced"]) == (key(first), key(worse))
    held = garbage.run(mosaics, **WORSE)
    assert held.json["champion"].startswith("needs a person: a person took its appointment back on ")
    refused = garbage("rollback")
    assert refused.code == 1
    assert "has no predecessor" in refused.err


@pytest.mark.acceptance
def test_what_has_arrived_since_the_champion_is_reported_until_there_is_another_one(
    garbage: CommandLine, mosaics: Path
) -> None:
    first = garbage.run(mosaics)
    for number, name in enumerate(COLOURS):
        Image.new("RGB", (48, 48), (90 + number, 80, 200)).save(mosaics / "train" / name / "new.png")
    (mosaics / "train" / "Cans" / "000.png").rename(mosaics / "train" / "Paper" / "other.png")
    finished = garbage.run(mosaics)
    assert finished.json["changes"]["photographs"] == {"added": 3, "removed": 0, "relabelled": 1, "moved": 0}
    assert finished.json["changes"]["new"]["photographs"] == 3
    assert finished.json["changes"]["differing"] == []
    ids = [notice["id"] for notice in finished.json["notices"]]
    again = garbage.run(mosaics)
    assert set(again.statuses.values()) == {"reused"}
    assert again.json["changes"] == finished.json["changes"]
    if champion(garbage) == key(first):
        assert [notice["id"] for notice in again.json["notices"]] == ids


def test_two_models_are_compared_on_the_same_photographs(garbage: CommandLine, tiny_dataset: Path, first: Finished) -> None:
    worse = garbage.run(tiny_dataset, **WORSE)
    page = tiny_dataset.parent / "compared"
    compared = garbage("compare", "--json", key(first), worse.json["model"], "--html", page).json
    assert compared["photographs"] == 24
    counted = compared["tested"]
    assert 0 < counted["better"] + counted["worse"] <= compared["sources"]
    written = Path(compared["html"]).read_text(encoding="utf-8")
    shown = [name for name, each in (("Fixed", counted["better"]), ("Newly wrong", counted["worse"])) if each]
    assert all(f">{name}</h3>" in written for name in shown)
    assert "data:image/jpeg;base64," in written
    again = garbage("compare", key(first), key(worse), "--html", page)
    assert again.code == 1
    assert f"{page} is already in use" in again.err
    turned = garbage("compare", "--json", key(worse), key(first)).json
    for name, figure in compared["figures"].items():
        assert turned["figures"][name]["difference"] == pytest.approx(-figure["difference"])
    assert sum(each["images"] for each in compared["classes"]) == 24
    text = garbage("compare", key(first), key(worse))
    assert "B less A" in text.out
    unknown = garbage("compare", key(first), "nothing")
    assert unknown.code == 1
    assert "no kept model" in unknown.err


def test_a_champion_whose_files_are_damaged_leaves_the_decision_to_a_person(
    garbage: CommandLine, tiny_dataset: Path, first: Finished
) -> None:
    assert first.json["champion"].startswith("needs a person: it is the first model")
    assert garbage("promote", key(first)).code == 0
    (judged,) = garbage.artifacts.glob("stages/cross_validate/*/out_of_fold.npy")
    judged.unlink()
    changed = garbage.run(tiny_dataset, train__label_smoothing=0.2)
    assert changed.json["champion"].startswith("needs a person: the champion since ")
    assert "output missing: out_of_fold.npy" in changed.json["champion"]
    assert champion(garbage) == key(first)
