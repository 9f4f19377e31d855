"""Every look at a test set is counted, in runs of the real flow: ledger, report, terminal and ``garbage runs`` agree."""

from __future__ import annotations

from pathlib import Path

from support import CommandLine, Finished

HIGHEST = "is the highest of 2 models on this test set"


def looked(times: str) -> str:
    return f"This test set has been looked at {times} compared."


def reported(finished: Finished) -> str:
    """The text of a run's report."""
    return Path(finished.json["report"]).with_suffix(".md").read_text(encoding="utf-8")


def test_a_changed_setting_is_another_look_and_a_reverted_one_is_not(
    garbage: CommandLine, tiny_dataset: Path, first: Finished
) -> None:
    once, twice = looked("once; 1 setting"), looked("2 times; 2 settings")
    assert once in reported(first)
    assert once == first.json["looks"]
    again = garbage.run(tiny_dataset)
    assert set(again.statuses.values()) == {"reused"}
    assert again.json["looks"] == once

    changed = garbage.run(tiny_dataset, train__views="clean")
    assert twice in reported(changed)
    ledger = (garbage.artifacts / "looks.csv").read_bytes()
    planned = garbage("status", "--json", "--dataset", tiny_dataset)
    assert [name for name, status in planned.statuses.items() if status == "stale"] == ["report"]
    assert (garbage.artifacts / "looks.csv").read_bytes() == ledger

    reverted = garbage.run(tiny_dataset)
    assert [name for name, status in reverted.statuses.items() if status == "computed"] == ["report"]
    assert twice in reported(reverted)
    assert twice in reverted.json["looks"]
    assert set(garbage.run(tiny_dataset).statuses.values()) == {"reused"}
    assert_the_highest_is_warned_of({run.json["metrics"]["test"]["top1"]: reported(run) for run in (reverted, changed)})

    listed = garbage("runs", "--json", "--dataset", tiny_dataset).json["runs"]
    assert [each["runs"] for each in listed] == [4, 1]
    assert listed[0]["settings"] == {name: value for name, value in listed[1]["settings"].items() if name != "train.views"}
    assert listed[1]["top1"] == changed.json["metrics"]["test_without_leaks"]["top1"]
    assert listed[1]["unseen_top1"] == changed.json["metrics"]["unseen"]["top1"]
    assert twice in garbage("runs").out


def assert_the_highest_is_warned_of(reports: dict[float, str]) -> None:
    """Reports by top-1: one when both runs are equally good."""
    for top1, report in reports.items():
        assert (HIGHEST in report) == (top1 == max(reports))


def test_another_evaluation_of_the_same_model_is_a_look_and_no_choice(
    garbage: CommandLine, tiny_dataset: Path, first: Finished
) -> None:
    finer = garbage.run(tiny_dataset, evaluate__mistakes=3)
    assert finer.json["looks"] == looked("2 times; 2 settings")
