from pathlib import Path

import numpy as np

from pipeline_lib.evaluation.out_of_fold import OutOfFold, read_out_of_fold, write_out_of_fold
from pipeline_lib.evaluation.predictions import Predictions

CLASSES = ("can", 'a,"b"\n', "01")


def judged() -> OutOfFold:
    images = np.array(["test/can/1.jpg", 'train/a,"b"\n/NA.jpg', "train/01/2.jpg"] * 2)
    logits = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    sources = {"test/can/1.jpg": 7, "train/01/2.jpg": 7}
    rows = Predictions(images, np.array([0, 1, 2] * 2), np.repeat(["aug1", "clean"], 3), logits, sources)
    return OutOfFold(rows, np.array([1, 2, 1] * 2))


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    written = judged()
    write_out_of_fold(tmp_path, written, CLASSES)
    read = read_out_of_fold(tmp_path, CLASSES)
    for name in ("images", "labels", "views", "logits", "groups"):
        assert getattr(read.predictions, name).tolist() == getattr(written.predictions, name).tolist()
    assert read.predictions.logits.dtype == np.float32
    assert read.predictions.group_of == written.predictions.group_of
    assert read.folds.tolist() == written.folds.tolist()


def test_without_rows_there_is_nothing_to_read(tmp_path: Path) -> None:
    write_out_of_fold(tmp_path, judged().where(np.zeros(6, np.bool_)), CLASSES)
    read = read_out_of_fold(tmp_path, CLASSES)
    assert (len(read.predictions), read.predictions.logits.shape, read.folds.shape) == (0, (0, 3), (0,))


def test_rows_are_selected_with_their_folds() -> None:
    rows = judged().where(np.array([False, True, False] * 2))
    assert (rows.folds.tolist(), rows.predictions.views.tolist()) == ([2, 2], ["aug1", "clean"])
