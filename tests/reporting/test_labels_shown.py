"""Suspected labels are shown so that a person can decide, and know how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline_lib.labels.findings import SHOWN_SUSPECTS, Labelled, check_labels
from pipeline_lib.reporting.blocks import Images, Table
from pipeline_lib.reporting.pages.report import artifact_of
from pipeline_lib.reporting.shown.labels import show
from pipeline_lib.stages.key import plan
from pipeline_lib.stages.result import Ref
from pipeline_lib.stages.root import ARTIFACTS
from pipeline_lib.stages.store import Store

CLASSES = ("Cans", "Paper")
Found = Callable[..., dict[str, Ref]]


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Found:
    """The result of stage ``labels`` on 200 photographs, so many of which have the wrong label."""
    monkeypatch.setenv(ARTIFACTS, str(tmp_path))

    def built(wrong: int) -> dict[str, Ref]:
        rng, truth = np.random.default_rng(0), np.arange(200) % 2
        labels = np.where(np.arange(200) < wrong, 1 - truth, truth)
        probabilities = np.where(np.eye(2)[truth] > 0, 0.95, 0.05) + rng.uniform(-0.04, 0.04, (200, 1)) * [1, -1]
        images = [f"train/{CLASSES[label]}/{row:03}.jpg" for row, label in enumerate(labels.tolist())]
        features = rng.normal(size=(200, 8)).astype(np.float32)
        rows = Labelled(images, [f"{row:064x}" for row in range(200)], labels, probabilities, np.arange(200), features, CLASSES)
        planned = plan("labels", "slot", "tasks.finetune.labels", {"wrong": wrong})

        def compute(folder: Path) -> dict[str, int]:
            return check_labels(folder, rows, frozenset(), lambda image: Image.new("RGB", (300, 200)))

        return {"labels": Store().build(planned, "first run", "run", compute)}

    return built


def test_a_suspect_is_a_picture_with_both_classes_and_the_probability(found: Found) -> None:
    shown = show(found(60))
    gallery = next(block for block in shown.blocks if isinstance(block, Images) and block.title == "Suspected labels")
    assert len(gallery.images) == SHOWN_SUSPECTS
    first = gallery.images[0]
    assert {first.heading, first.caption.partition(" ")[2].partition(",")[0]} == set(CLASSES)
    assert first.caption.endswith("%")
    assert first.alt.startswith(f"train/{first.heading}/")
    assert "a person decides" in gallery.note
    assert "garbage label PHOTO --as CLASS --dataset PATH" in gallery.note
    assert "of 200 labels suspected to be wrong" in shown.figure


def test_every_suspect_is_listed_with_the_digest_that_the_command_takes(found: Found) -> None:
    results = found(60)
    shown = show(results)
    table = next(block for block in shown.blocks if isinstance(block, Table) and block.title == "Suspected labels by name")
    assert len(table.rows) == results["labels"].manifest().summary["suspects"]
    assert table.columns[-1] == "sha256"
    assert all(len(row[-1].text) == 64 for row in table.rows)
    assert table.role == "detail"


def test_classes_that_are_mixed_up_are_shown_as_pairs(found: Found) -> None:
    text = artifact_of(show(found(60)), {"seconds": 1.0, "images_per_second": None, "note": ""})
    assert "Classes that overlap" in text
    assert "| Cans | Paper |" in text


def test_where_no_label_is_suspected_none_is_shown(found: Found) -> None:
    shown = show(found(0))
    assert shown.figure == "0 of 200 labels suspected to be wrong, 0 sources"
    assert [block.title for block in shown.blocks] == ["Like no other"]
