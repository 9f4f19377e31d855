"""What has changed since the champion is said in a sentence, and shown as tables, pictures and a line over the nights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline_lib.data.changes import CLASSES, LEAKS, UNUSUAL
from pipeline_lib.evaluation.nights import Figure, Night, write_nights
from pipeline_lib.files.table import write_table
from pipeline_lib.reporting.blocks import Images, Shown, Table
from pipeline_lib.reporting.pages.report import artifact_of
from pipeline_lib.reporting.shown import changes, nights
from pipeline_lib.stages.key import plan
from pipeline_lib.stages.result import Ref
from pipeline_lib.stages.root import ARTIFACTS
from pipeline_lib.stages.store import Store

NOTHING = {"added": 0, "removed": 0, "relabelled": 0, "moved": 0}
SAME: dict[str, Any] = {
    "compared": True,
    "obstacle": "",
    "differing": [],
    "photographs": NOTHING,
    "halved": [],
    "new_leaks": 0,
    "new": {"photographs": 0, "sources": 0},
    "drift": None,
    "accuracy": None,
}
TOOK = {"seconds": 1.5, "images_per_second": None, "note": ""}
Build = Callable[..., dict[str, Ref]]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Return the result of a stage whose files a function writes."""
    monkeypatch.setenv(ARTIFACTS, str(tmp_path))

    def built(stage: str, write: Callable[[Path], None], **summary: Any) -> dict[str, Ref]:
        planned = plan(stage, "slot", f"tasks.finetune.{stage}", {"summary": summary})
        return {stage: Store().build(planned, "first run", "run", lambda folder: write(folder) or summary)}  # type: ignore[func-returns-value]

    return built


def write_night(folder: Path) -> None:
    """The files of a night on which Cans came and Paper went."""
    rows = [("Cans", 4, 9, 5, 0, 0, 0, 0), ("Glass", 7, 7, 0, 0, 0, 0, 0), ("Paper", 6, 3, 0, 3, 0, 0, 0)]
    write_table(folder / CLASSES, ("class", "before", "after", "added", "removed", "came", "went", "moved"), rows)
    write_table(folder / LEAKS, ("image", "sha256"), [("test/Cans/1.jpg", "abc")])
    (folder / "unusual").mkdir()
    Image.new("RGB", (40, 30)).save(folder / "unusual/001.jpg")
    row = {
        "rank": 1,
        "image": "train/Cans/new.jpg",
        "sha256": "d",
        "class": "Cans",
        "distance": 0.41,
        "farther": 0.02,
        "right": 0,
    }
    write_table(
        folder / UNUSUAL, (*row, "nearest", "picture"), [{**row, "nearest": "train/Cans/old.jpg", "picture": "unusual/001.jpg"}]
    )


def write_nothing(folder: Path) -> None:
    for name, columns in (
        (CLASSES, ("class", "before", "after", "added")),
        (LEAKS, ("image",)),
        (UNUSUAL, ("image", "picture")),
    ):
        write_table(folder / name, columns, [])


def titles(shown: Shown) -> list[str]:
    return [block.title for block in shown.blocks]


def test_a_first_night_says_that_there_is_nothing_to_compare_with(build: Build) -> None:
    first = changes.show(build("changes", lambda folder: None, compared=False, obstacle="", differing=[]))
    assert first.figure == "nothing to compare with: this dataset has no champion yet"
    assert first.findings == []
    gone = changes.show(build("changes", lambda folder: None, compared=False, obstacle="the champion is gone", differing=[]))
    assert gone.findings == ["There is nothing to compare this run with: the champion is gone."]


def test_a_night_without_changes_says_so(build: Build) -> None:
    shown = changes.show(build("changes", write_nothing, **SAME))
    assert (shown.figure, shown.findings) == ("nothing", ["Nothing has changed since the champion."])
    assert titles(shown) == ["Photographs"]


def test_a_night_is_one_sentence_with_its_drift_and_its_cost(build: Build) -> None:
    summary = SAME | {
        "photographs": NOTHING | {"added": 5, "removed": 3},
        "drift": {"classes": 0.4, "pictures": 0.001, "p": 0.002},
        "accuracy": {"old": 0.8, "mixed": 0.82, "new": 0.6, "difference": -0.22, "low": -0.4, "high": -0.05},
        "differing": [{"section": "settings", "name": "train.epochs", "before": [30], "after": [1], "stages": ["train"]}],
        "new_leaks": 1,
    }
    shown = changes.show(build("changes", write_night, **summary))
    assert shown.figure == "photographs: 5 added, 3 removed, 1 thing else differs"
    assert shown.findings == [
        "Since the champion: photographs: 5 added, 3 removed, 1 thing else differs; the new sources differ from the old ones "
        "(p = 0.002); the model gets 60.0% of them right, 22.0 points less than of old ones of these classes (-40.0 to -5.0)."
    ]
    tables = {block.title: block for block in shown.blocks if isinstance(block, Table)}
    assert tables["Classes that have changed"].columns == ["class", "before", "now", "added", "removed"]
    assert [row[0].text for row in tables["Classes that have changed"].rows] == ["Cans", "Paper"]
    assert [cell.text for cell in tables["What else differs"].rows[0]] == ["setting train.epochs", "30", "1", "train"]
    assert tables["New leaks"].rows[0][0].text == "test/Cans/1.jpg"
    gallery = next(block for block in shown.blocks if isinstance(block, Images))
    assert [image.alt for image in gallery.images] == ["train/Cans/new.jpg"]
    assert gallery.images[0].tag == "taken for another class"
    assert "22.0 points less" in artifact_of(shown, TOOK)


def night(number: int, decision: str = "promoted", noisy: bool = True) -> Night:
    figure = Figure(top1=0.7 + number / 100, low=0.6, high=0.9)
    figures = {"unseen": figure, "unseen_noisy": figure if noisy else None, "test": figure}
    return Night(when=f"2026-03-{number:02}T02:30:00", decision=decision, key=f"{number}", figures=figures)


@pytest.mark.parametrize(("count", "expected"), [(1, ["Nights by date"]), (2, ["", "Nights by date"])])
def test_nights_are_a_line_once_there_are_two(build: Build, count: int, expected: list[str]) -> None:
    every = [night(number, noisy=False) for number in range(1, count + 1)]
    shown = nights.show(build("nights", lambda folder: write_nights(folder, every), nights=count, promoted=count))
    assert titles(shown) == expected
    (table,) = (block for block in shown.blocks if isinstance(block, Table))
    assert [row[0].text for row in table.rows] == [f"2026-03-{number:02} 02:30" for number in range(count, 0, -1)]
    assert [cell.text for cell in table.rows[0][1:4]] == ["promoted", f"{70 + count}.0%", "–"]
