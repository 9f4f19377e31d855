"""What has changed since the champion, from the photographs that it knows and those of today."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline_lib.data.changes import CLASSES, LEAKS, UNUSUAL
from pipeline_lib.evaluation.changes import GAP, SIDE, Today, write_changes
from pipeline_lib.evaluation.pairs import Photographs
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.files.table import read_table

NAMES = ["Cans", "Paper"]


def photographs(*images: str) -> Photographs:
    """Photographs whose content is their file name."""
    return Photographs({image: image.rpartition("/")[2] for image in images})


def today(*images: str, groups: dict[str, int] | None = None, leaked: frozenset[str] = frozenset()) -> Today:
    sources = groups or {image: number for number, image in enumerate(images)}
    labels = np.array([NAMES.index(image.split("/")[1]) for image in images])
    clean = Predictions(
        np.array(images), labels, np.array(["clean"] * len(images)), np.eye(2, dtype=np.float32)[labels], sources
    )
    features = np.random.default_rng(0).random((len(images), 4), np.float32)
    return Today(photographs(*images), clean, features, sources, leaked, NAMES)


def changes(folder: Path, now: Today, before: Photographs) -> dict[str, Any]:
    return write_changes(folder, now, before, lambda image: Image.new("RGB", (40, 30)))


def test_photographs_are_counted_by_class_and_a_class_that_lost_half_is_named(tmp_path: Path) -> None:
    before = photographs(*(f"train/Cans/{number}" for number in range(4)), "train/Paper/a", "train/Paper/b", "test/Paper/c")
    summary = changes(
        tmp_path, today("train/Cans/0", "train/Paper/1", "train/Paper/a", "train/Paper/c", "train/Paper/new"), before
    )
    assert summary["photographs"] == {"added": 1, "removed": 3, "relabelled": 1, "moved": 1}
    assert summary["halved"] == [["Cans", 4, 1]]
    assert [[*row.values()] for row in read_table(tmp_path / CLASSES)] == [
        ["Cans", "4", "1", "0", "2", "0", "1", "0"],
        ["Paper", "2", "4", "1", "1", "1", "0", "1"],
    ]


def test_a_source_is_new_if_the_champion_knows_none_of_its_photographs(tmp_path: Path) -> None:
    images = ("train/Cans/a", "train/Cans/crop of a", "train/Cans/b", "train/Cans/crop of b", "train/Cans/c")
    groups = dict(zip(images, (1, 1, 2, 2, 3), strict=True))
    summary = changes(tmp_path, today(*images, groups=groups), photographs("train/Cans/a"))
    assert summary["new"] == {"photographs": 3, "sources": 2}
    assert {row["image"] for row in read_table(tmp_path / UNUSUAL)} == set(images[2:])
    assert {row["nearest"] for row in read_table(tmp_path / UNUSUAL)} <= set(images[:2])


def test_a_leak_is_new_if_no_photograph_of_its_source_was_in_train(tmp_path: Path) -> None:
    images = ("train/Cans/a", "test/Cans/crop of a", "train/Paper/new", "test/Paper/crop of it")
    groups = dict(zip(images, (1, 1, 2, 2), strict=True))
    now = today(*images, groups=groups, leaked=frozenset({images[1], images[3]}))
    summary = changes(tmp_path, now, photographs(*(image for image in images if image != "train/Paper/new")))
    assert summary["new_leaks"] == 1
    assert [row["image"] for row in read_table(tmp_path / LEAKS)] == ["test/Paper/crop of it"]


def test_where_nothing_has_changed_nothing_is_said(tmp_path: Path) -> None:
    images = ("train/Cans/a", "train/Paper/b")
    summary = changes(tmp_path, today(*images), photographs(*images))
    assert not any(summary["photographs"].values())
    assert (summary["drift"], summary["accuracy"], summary["halved"], summary["new_leaks"]) == (None, None, [], 0)
    assert not (tmp_path / "unusual").exists()


def test_one_picture_of_each_source_is_shown_beside_its_nearest(tmp_path: Path) -> None:
    images = ("train/Cans/old", *(f"train/Cans/{number}" for number in range(6)))
    groups = dict(zip(images, (0, 1, 1, 1, 2, 2, 3), strict=True))
    changes(tmp_path, today(*images, groups=groups), photographs("train/Cans/old"))
    rows = read_table(tmp_path / UNUSUAL)
    shown = [row["picture"] for row in rows if row["picture"]]
    assert len(rows) == 6
    assert len(shown) == 3
    with Image.open(tmp_path / shown[0]) as picture:
        assert picture.size == (2 * SIDE + GAP, SIDE)
