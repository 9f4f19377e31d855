"""Champion and challenger on the running product: a worse model never takes over, and a person has the last word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import CommandLine, Finished

WORSE = {"train__epochs": 1, "train__warmup_epochs": 0, "train__lr_max": 0.00001, "train__lr_start": 0.0, "train__lr_end": 0.0}


def models(garbage: CommandLine) -> dict[str, dict[str, Any]]:
    """What ``garbage models`` lists, by key."""
    return {each["key"]: each for each in garbage("models", "--json").json["models"]}


def key(finished: Finished) -> str:
    return Path(finished.json["model"]).name


def champion(garbage: CommandLine) -> str:
    return (garbage.artifacts / "latest/garbage-finetune/pictures/champion").resolve().name


def predicting(garbage: CommandLine, dataset: Path) -> str:
    """The folder of the model that ``garbage predict`` says it uses, and since when it is the champion."""
    told = garbage("predict", "--json", "--dataset", dataset, dataset / "test")
    assert told.code == 0, told.err
    return told.err


def test_a_worse_model_does_not_take_over_unless_a_person_says_so(
    garbage: CommandLine, tiny_dataset: Path, first: Finished
) -> None:
    assert first.json["champion"].startswith("promoted: it is the first model")
    again = garbage.run(tiny_dataset)
    assert set(again.statuses.values()) == {"reused"}
    assert again.json["champion"].startswith("the champion since ")

    worse = garbage.run(tiny_dataset, **WORSE)
    assert not worse.json["champion"].startswith("promoted")
    assert champion(garbage) == key(first) != key(worse)
    assert "/champion" in (told := predicting(garbage, tiny_dataset))
    assert "champion since " in told
    report = Path(worse.json["report"]).with_suffix(".md").read_text(encoding="utf-8")
    assert worse.json["champion"].partition(": ")[2] in report.replace("\\", "")
    assert set(garbage.run(tiny_dataset, **WORSE).statuses.values()) == {"reused"}
    assert {name: each["alias"] for name, each in models(garbage).items()} == {key(first): "champion", key(worse): ""}

    told_so = garbage("promote", "--json", key(worse)[:6]).json
    assert (told_so["champion"], told_so["replaced"]) == (key(worse), key(first))
    assert garbage.run(tiny_dataset, **WORSE).json["champion"].startswith("the champion since ")
    back = garbage("rollback", "--json", "--dataset", tiny_dataset).json
    assert (back["champion"], back["replaced"]) == (key(first), key(worse))
    assert champion(garbage) == key(first)
    held = garbage.run(tiny_dataset, **WORSE)
    assert held.json["champion"].startswith("needs a person: a person took its appointment back on ")
    refused = garbage("rollback")
    assert refused.code == 1
    assert "has no predecessor" in refused.err


def test_two_models_are_compared_on_the_same_photographs(garbage: CommandLine, tiny_dataset: Path, first: Finished) -> None:
    worse = garbage.run(tiny_dataset, **WORSE)
    compared = garbage("compare", "--json", key(first), key(worse)).json
    assert compared["photographs"] == 24
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
    ledger = json.loads((garbage.artifacts / "champions/garbage-finetune/pictures.json").read_text(encoding="utf-8"))
    judged = garbage.artifacts / ledger[-1]["candidate"]["cross_validated"]["path"]
    (judged / "out_of_fold.npy").unlink()
    changed = garbage.run(tiny_dataset, train__label_smoothing=0.2)
    assert changed.json["champion"].startswith("needs a person: the champion since ")
    assert "output missing: out_of_fold.npy" in changed.json["champion"]
    assert champion(garbage) == key(first)
