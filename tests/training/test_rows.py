from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from small_training import CLASSES, MemoryTable

from pipeline_lib.training.rows import digest, split_rows


@pytest.mark.parametrize(("views", "used"), [("all", {"clean", "aug1", "aug2"}), ("clean", {"clean"})])
def test_all_views_in_use_of_an_image_are_on_one_side(views: Literal["all", "clean"], used: set[str]) -> None:
    table = MemoryTable(images=20, views=("clean", "aug1", "aug2"))
    rows = split_rows(table, CLASSES, {}, views=views, val_share=0.1)
    assert len(rows.train) == 18 * len(CLASSES) * len(used)
    assert len(rows.validation) == 2 * len(CLASSES) * len(used)
    for side, part in ((rows.train, "train"), (rows.validation, "validation")):
        assert set(table.views[side]) == used
        assert {rows.part_of[image] for image in table.images[side]} == {part}


def test_near_duplicates_across_the_cut_train() -> None:
    groups = {"train/ant/000.jpg": 1, "train/ant/019.jpg": 1}
    rows = split_rows(MemoryTable(images=20), CLASSES, groups, views="all", val_share=0.1)
    held_out = [image for image, part in rows.part_of.items() if part == "validation"]
    assert held_out[:2] == ["train/ant/017.jpg", "train/ant/018.jpg"]
    assert rows.part_of["train/ant/019.jpg"] == "train"


def test_copies_of_a_validation_image_neither_train_nor_judge() -> None:
    table = MemoryTable(images=20)
    groups = {f"train/ant/{number:03d}.jpg": 1 for number in (16, 17, 19)}
    rows = split_rows(table, CLASSES, groups, views="all", val_share=0.2)
    ants = {image: part for image, part in rows.part_of.items() if image > "train/ant/015.jpg" and "ant" in image}
    assert list(ants.values()) == ["validation", "copy", "validation", "copy"]
    used = set(table.images[rows.train]) | set(table.images[rows.validation])
    assert used == set(table.images) - {"train/ant/017.jpg", "train/ant/019.jpg"}


@pytest.mark.parametrize("column", ["features", "labels", "views", "images"])
def test_the_digest_covers_every_column(column: str) -> None:
    table, changed = MemoryTable(images=500), MemoryTable(images=500)
    assert digest(table) == digest(changed)
    values = getattr(changed, column)
    values[-1] = np.roll(values[-1], 1) if column == "features" else values[0]
    assert digest(table) != digest(changed)
