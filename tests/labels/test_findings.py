"""What people should look at is listed with all that a decision needs, and not again once they have decided."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline_lib.data.labels_file import read_decisions
from pipeline_lib.files.table import read_table
from pipeline_lib.labels.findings import SHOWN_OUTLIERS, SHOWN_SUSPECTS, Labelled, check_labels
from pipeline_lib.labels.listed import OUTLIERS, OVERLAPS, SUSPECTS
from pipeline_lib.labels.record import record

CLASSES = ("Cans", "Paper", "Glass")


@pytest.fixture(scope="module")
def labelled() -> Labelled:
    """300 photographs of which 60 have a wrong label."""
    rng = np.random.default_rng(0)
    truth = np.arange(300) % 3
    labels = np.where(np.arange(300) < 60, (truth + 1) % 3, truth)
    logits = rng.normal(size=(300, 3)) + 6 * np.eye(3)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    images = [f"{'train' if row < 250 else 'test'}/{CLASSES[label]}/{row:03}.jpg" for row, label in enumerate(labels)]
    digests = [hashlib.sha256(image.encode()).hexdigest() for image in images]
    features = (np.eye(3)[truth] + 0.1 * rng.normal(size=(300, 3))).astype(np.float32)
    return Labelled(images, digests, labels, probabilities, np.arange(300), features, CLASSES)


def check(folder: Path, labelled: Labelled, decided: frozenset[str] = frozenset()) -> dict[str, Any]:
    folder.mkdir()
    return check_labels(folder, labelled, decided, lambda image: Image.new("RGB", (400, 300), (len(image), 9, 9)))


def test_a_row_of_the_list_is_all_that_a_decision_needs(tmp_path: Path, labelled: Labelled) -> None:
    summary = check(tmp_path / "found", labelled)
    rows = read_table(tmp_path / "found" / SUSPECTS)
    first = rows[0]
    assert list(first) == ["rank", "image", "sha256", "source", "given", "suggested", "probability", "quality"]
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, len(rows) + 1)]
    assert 55 <= summary["suspects"] == len(rows) <= 65
    record(tmp_path / "labels.csv", [first["sha256"]], first["suggested"])
    assert read_decisions(tmp_path / "labels.csv").labels == {first["sha256"]: first["suggested"]}
    assert first["given"] == first["image"].split("/")[1] != first["suggested"]


def test_the_first_ones_are_pictures_named_by_rank(tmp_path: Path, labelled: Labelled) -> None:
    check(tmp_path / "found", labelled)
    for name, count in (("suspects", SHOWN_SUSPECTS), ("outliers", SHOWN_OUTLIERS)):
        pictures = sorted((tmp_path / "found" / name).iterdir())
        assert [path.name for path in pictures] == [f"{rank:03}.jpg" for rank in range(1, count + 1)]
        with Image.open(pictures[0]) as picture:
            assert max(picture.size) <= 200


def test_a_source_is_shown_once_and_all_its_photographs_are_listed(tmp_path: Path, labelled: Labelled) -> None:
    threes = replace(labelled, sources=np.arange(300) // 9 * 3 + np.arange(300) % 3)  # three copies each, of one class
    summary = check(tmp_path / "found", threes)
    rows = read_table(tmp_path / "found" / SUSPECTS)
    first = {row["source"]: row for row in reversed(rows)}.values()
    assert summary["sources"] == len(first) < summary["suspects"] == len(rows)
    pictures = {path.stem for path in (tmp_path / "found" / "suspects").iterdir()}
    assert pictures == {f"{int(row['rank']):03}" for row in first}


def test_what_was_decided_on_is_not_listed_again_and_the_others_stay(tmp_path: Path, labelled: Labelled) -> None:
    check(tmp_path / "before", labelled)
    before = {name: [row["image"] for row in read_table(tmp_path / "before" / name)] for name in (SUSPECTS, OUTLIERS)}
    decided = frozenset([*before[SUSPECTS][:7], before[OUTLIERS][0]])
    summary = check(tmp_path / "after", labelled, decided)
    after = {name: [row["image"] for row in read_table(tmp_path / "after" / name)] for name in (SUSPECTS, OUTLIERS)}
    assert after[SUSPECTS] == [image for image in before[SUSPECTS] if image not in decided]
    assert not set(after[OUTLIERS]) & decided
    assert summary["decided"] == len(decided)


def test_equal_inputs_give_equal_bytes(tmp_path: Path, labelled: Labelled) -> None:
    for name in ("one", "other"):
        check(tmp_path / name, labelled)
    one, other = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "one", tmp_path / "other")
    )
    assert one == other


def test_overlapping_classes_are_named(tmp_path: Path, labelled: Labelled) -> None:
    check(tmp_path / "found", labelled)
    rows = read_table(tmp_path / "found" / OVERLAPS)
    assert {frozenset((row["class"], row["other"])) for row in rows} == {
        frozenset(pair) for pair in (("Cans", "Paper"), ("Paper", "Glass"), ("Glass", "Cans"))
    }


def test_a_dataset_that_could_not_be_cross_validated_has_empty_lists(tmp_path: Path, labelled: Labelled) -> None:
    nothing = np.zeros(0, np.int64)
    empty = replace(
        labelled,
        images=[],
        sha256=[],
        labels=nothing,
        probabilities=np.zeros((0, 3)),
        sources=nothing,
        features=np.zeros((0, 3), np.float32),
    )
    assert check(tmp_path / "found", empty) == dict.fromkeys(
        ("photographs", "suspects", "sources", "outliers", "overlaps", "decided"), 0
    )
