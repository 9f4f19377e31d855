"""Out-of-fold outputs: what was said about each view of each photograph by a model that has never seen its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.files.table import read_table, write_table

LOGITS = "out_of_fold.npy"
INDEX = "out_of_fold.csv"
COLUMNS = ("image", "class", "view", "fold", "source")


@dataclass(frozen=True)
class OutOfFold:
    """The out-of-fold outputs of a cross-validation, n rows.

    Attributes:
        predictions: The rows; images of train and test alike, ``group_of`` holds the source of each.
        folds: (n,) int64, the fold that a row was held out in: its outputs are those of the model that was trained on the
            others. All rows of a source have one fold.
    """

    predictions: Predictions
    folds: NDArray[np.int64]

    def where(self, rows: NDArray[np.bool_]) -> OutOfFold:
        """Return the rows that a (n,) boolean mask selects."""
        return OutOfFold(self.predictions.where(rows), self.folds[rows])


def write_out_of_fold(folder: Path, judged: OutOfFold, classes: Sequence[str]) -> None:
    """Write ``out_of_fold.npy``, the logits (n, classes) in float32, and ``out_of_fold.csv``, what each of its rows is of.

    The column ``fold`` counts from 1; ``source`` is empty for an image whose source is not known, which is one of its own.
    """
    rows = judged.predictions
    np.save(folder / LOGITS, rows.logits)
    names = [classes[label] for label in rows.labels.tolist()]
    images, views, folds = (column.tolist() for column in (rows.images, rows.views, judged.folds))
    sources = [rows.group_of.get(image, "") for image in images]
    write_table(folder / INDEX, COLUMNS, zip(images, names, views, folds, sources, strict=True))


def read_out_of_fold(folder: Path, classes: Sequence[str]) -> OutOfFold:
    """Return what `write_out_of_fold` has written.

    Args:
        folder: The result of stage ``cross_validate``.
        classes: (C,) names of the classes in the order of the outputs: those of the dataset.
    """
    table = read_table(folder / INDEX)
    images, views = (_column(table, name) for name in ("image", "view"))
    ids = {name: number for number, name in enumerate(classes)}
    labels = np.array([ids[row["class"]] for row in table], np.int64)
    sources = {row["image"]: int(row["source"]) for row in table if row["source"]}
    folds = np.array([int(row["fold"]) for row in table], np.int64)
    return OutOfFold(Predictions(images, labels, views, np.load(folder / LOGITS), sources), folds)


def _column(table: Sequence[dict[str, str]], name: str) -> NDArray[Any]:
    return np.array([row[name] for row in table], np.str_)
