"""The store answers what was run: stages of a run, how it differs from the one before, where a file comes from."""

from __future__ import annotations

import json
from pathlib import Path

from support import CommandLine, Finished


def test_what_changed_between_two_runs_is_named_with_the_figures(
    garbage: CommandLine, tiny_dataset: Path, first: Finished
) -> None:
    moved = next((tiny_dataset / "train").glob("*/*.png"))
    target = next(folder for folder in (tiny_dataset / "train").iterdir() if folder != moved.parent) / "moved.png"
    moved.rename(target)
    second = garbage.run(tiny_dataset, train__lr_max=0.02)
    difference = garbage("diff", "--json").json
    assert difference["photographs"]["relabelled"] == {f"{moved.parent.name} -> {target.parent.name}": 1}
    assert not difference["photographs"]["added"]
    changes = {(each["stage"], change["name"]): change for each in difference["stages"] for change in each["changes"]}
    assert changes["train", "train.lr_max"]["before"] == [0.01]
    assert changes["train", "train.lr_max"]["after"] == [0.02]
    assert "backbone" not in {each["stage"] for each in difference["stages"]}
    assert difference["top1"]["before"]["test"] == first.json["metrics"]["test"]["top1"]
    assert difference["top1"]["after"]["test"] == second.json["metrics"]["test"]["top1"]

    shown = garbage("diff").out
    assert "setting train.lr_max" in shown
    assert f"relabelled: 1 ({moved.parent.name} -> {target.parent.name} 1)" in shown

    stages = {each["stage"]: each for each in garbage("show", "--json").json["stages"]}
    assert stages["train"]["computed"] == 1
    assert stages["backbone"]["computed"] == 0

    (origin,) = json.loads(garbage("lineage", second.json["model"], "--json").out)
    assert origin["settings"]["train.lr_max"] == 0.02
    assert origin["run"] == difference["after"]["run"]
    held = json.loads(garbage("lineage", str(target), "--json").out)
    runs = {use["run"] for each in held for use in each["used_by"]}
    assert runs == {difference["before"]["run"], difference["after"]["run"]}


def test_a_photograph_that_no_run_has_used_is_one_sentence(garbage: CommandLine, first: Finished, tmp_path: Path) -> None:
    unknown = tmp_path / "unknown.jpg"
    unknown.write_bytes(b"nothing")
    ended = garbage("lineage", str(unknown))
    assert ended.code == 1
    assert "is in no dataset that a run" in ended.err


def test_prices_are_of_every_class_and_a_dataset_without_a_run_is_one_sentence(
    garbage: CommandLine, tiny_dataset: Path, first: Finished
) -> None:
    asked = garbage("prices", "--dataset", tiny_dataset, "--more", "10", "--json")
    counts = {folder.name: len(list(folder.iterdir())) for folder in (tiny_dataset / "train").iterdir()}
    assert {name: price["photographs"] for name, price in asked.json["classes"].items()} == counts
    assert (asked.json["more"], asked.json["scores"]) == (10, [])
    for name, price in asked.json["classes"].items():
        if gain := price["gain"]:
            assert gain["low"] <= gain["value"] <= gain["high"] <= 1 - price["top1"], name
    assert "10 more" in asked.err

    ended = garbage("prices", "--dataset", tiny_dataset.parent / "other")
    assert ended.code == 1
    assert "There is no record of a run of garbage-finetune on" in ended.err
