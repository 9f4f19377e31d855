"""``garbage runs`` as its user meets it: what runs have shown of which test set."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import main
from pipeline_lib.evaluation.looks import LEDGER, Entry, add_to_ledger

EARLY = datetime(2026, 1, 1, 12, tzinfo=UTC)
CHANGED = {"augment_test.grid_angles": [0, 10, 20, 30], "augment_test.grid_sigmas": [0, 5, 10, 20], "train.views": "clean"}
SENTENCE = "This test set has been looked at"


def show(root: Path, hour: int, predictions: str, settings: dict[str, Any], **changed: Any) -> None:
    """Add a run to the ledger that has shown an evaluation at that hour."""
    figures = {"top1": 0.9, "top1_low": 0.82, "top1_high": 0.95, "images": 98, "n_effective": 96.5}
    place = {"flow": "garbage-finetune", "dataset": "pictures", "test": "3b33cf5e" * 8}
    values = {**place, "predictions": predictions, "settings": json.dumps(settings), **figures, **changed}
    add_to_ledger(root / LEDGER, Entry(when=EARLY + timedelta(hours=hour), run=str(hour), evaluation=predictions, **values))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A ledger: the defaults, other settings, the defaults again; another flow on a dataset whose name looks like markup."""
    show(tmp_path, 0, "first", {})
    show(tmp_path, 1, "second", CHANGED, top1=0.95, top1_low=0.89, top1_high=0.98)
    show(tmp_path, 2, "first", {})
    show(tmp_path, 3, "third", {"train.epochs": 5}, flow="lenet-mnist", dataset="my [bold]photos", test="0" * 64, top1=None)
    return tmp_path


def runs(root: Path, *options: str) -> str:
    ended = CliRunner(env={"COLUMNS": "100"}).invoke(main, ["runs", "--artifacts", str(root), *options])
    assert ended.exit_code == 0, ended.output
    return ended.output


def test_runs_are_listed_by_test_set_newest_first_with_how_often_each_was_looked_at(root: Path) -> None:
    text = runs(root)
    lines = text.splitlines()
    assert all(len(line) <= 100 for line in lines)
    order = [
        "lenet-mnist on my [bold]photos, test set 00000000",
        "train.epochs=5",
        f"{SENTENCE} once; 1 setting compared.",
        "garbage-finetune on pictures, test set 3b33cf5e",
        "none",
        "augment_test.grid_angles=[0,10,20,30]",
        f"{SENTENCE} 2 times; 2 settings compared.",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert cells(lines, "none") == ["2", "none", "90.0% (82.0–95.0%)", "2"]
    assert cells(lines, "train.epochs=5") == ["3", "train.epochs=5", "–", "1"]
    assert "95.0% is the highest of 2 models on this test set" in " ".join(text.split())


def cells(lines: list[str], setting: str) -> list[str]:
    """The cells of a row behind its date."""
    (line,) = (line for line in lines if f"│ {setting} " in line)
    return [cell.strip() for cell in line.strip("│").split("│")][1:]


def test_figures_on_sources_never_seen_stand_beside_those_on_test(root: Path) -> None:
    show(root, 4, "fourth", {"seed": 2}, unseen_top1=0.86, unseen_top1_low=0.84, unseen_top1_high=0.88)
    lines = runs(root, "--dataset", "pictures").splitlines()
    assert all(len(line) <= 100 for line in lines)
    assert cells(lines, "seed=2") == ["4", "seed=2", "90.0% (82.0–95.0%)", "86.0% (84.0–88.0%)", "1"]
    assert cells(lines, "none") == ["2", "none", "90.0% (82.0–95.0%)", "–", "2"]


def test_the_same_as_json_for_programs(root: Path) -> None:
    listed = json.loads(runs(root, "--json"))["runs"]
    assert [(each["flow"], each["runs"]) for each in listed] == [
        ("lenet-mnist", 1),
        ("garbage-finetune", 2),
        ("garbage-finetune", 1),
    ]
    assert [each["settings"] for each in listed] == [{"train.epochs": 5}, {}, CHANGED]
    assert [each["when"] for each in listed] == [f"2026-01-01T{hour}:00:00Z" for hour in (15, 14, 13)]
    assert [each["looks"]["times"] for each in listed] == [1, 2, 2]
    assert [each["looks"]["optimism"] is not None for each in listed] == [False, False, True]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["--flow", "lenet-mnist"], ["third"]),
        (["--dataset", "pictures"], ["first", "second"]),
        (["--dataset", "/somewhere/pictures/"], ["first", "second"]),
        (["--dataset", "pictures", "--flow", "lenet-mnist"], []),
    ],
)
def test_they_are_narrowed_down_by_flow_and_dataset(root: Path, options: list[str], shown: list[str]) -> None:
    assert [each["evaluation"] for each in json.loads(runs(root, *options, "--json"))["runs"]] == shown


def test_where_there_is_nothing_a_sentence_says_so(root: Path, tmp_path: Path) -> None:
    assert runs(tmp_path / "none") == "No run has shown figures on a test set yet; `garbage run` starts one.\n"
    assert not (tmp_path / "none").exists()
    assert runs(root, "--dataset", "other") == (
        "No such run has shown figures on a test set; "
        "there are runs of garbage-finetune on pictures, lenet-mnist on my [bold]photos.\n"
    )
    assert json.loads(runs(tmp_path / "none", "--json")) == {"runs": []}


def test_a_damaged_ledger_is_one_sentence(root: Path) -> None:
    with (root / LEDGER).open("a") as file:
        file.write("yesterday,1\n")
    ended = CliRunner().invoke(main, ["runs", "--artifacts", str(root)])
    assert ended.exit_code == 1
    assert ended.stderr.startswith(f"error Line 6 of the ledger {root / LEDGER} is damaged (when: ")
    assert "Traceback" not in ended.output


def test_a_pinned_run_is_marked(root: Path) -> None:
    (root / "pins").mkdir()
    for run in ("1", "0"):
        (root / "pins" / run).touch()
    lines = runs(root, "--flow", "garbage-finetune").splitlines()
    assert next(line for line in lines if "1, pinned" in line)
    assert next(line for line in lines if "2, pinned 0" in line)
    listed = json.loads(runs(root, "--json").splitlines()[-1])["runs"]
    assert {each["run"]: each["pinned"] for each in listed} == {"1": "1", "2": "0", "3": ""}
