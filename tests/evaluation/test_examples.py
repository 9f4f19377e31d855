"""One test image of each class, with the network's own outputs for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline_lib.evaluation.evaluate import Subject
from pipeline_lib.evaluation.examples import read_examples, write_examples
from pipeline_lib.evaluation.predictions import Predictions

LABELS = np.array([2, 0, 2, 0])
IMAGES = np.array([f"test/{label}/{number}" for number, label in enumerate(LABELS)])
LOGITS = np.array([[1, 2, 3], [0, 1, 0], [9, 9, 9], [8, 8, 8]], np.float32)


def test_the_first_image_of_each_class_that_has_one_is_kept_with_its_outputs(tmp_path: Path) -> None:
    subject = Subject(Predictions(IMAGES, LABELS, np.full(4, "clean"), LOGITS), ("a", "b", "c"), temperature=2.0)
    write_examples(tmp_path, subject, lambda key: Image.new("L", (28, 28), int(key[-1])))
    rows = read_examples(tmp_path)
    assert [(row["class"], row["image"]) for row in rows] == [("a", "test/0/1"), ("c", "test/2/0")]
    assert [row["logits"] for row in rows] == [[0, 1, 0], [1, 2, 3]]
    assert rows[1]["probabilities"] == pytest.approx(np.exp([1, 2, 3]) / np.exp([1, 2, 3]).sum(), abs=1e-5)
    with Image.open(tmp_path / rows[1]["picture"]) as picture:
        assert picture.size == (28, 28)
        assert picture.getpixel((0, 0)) == 0


def test_where_none_were_written_there_are_none(tmp_path: Path) -> None:
    assert read_examples(tmp_path) == []
