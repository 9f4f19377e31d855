"""The robustness grid: accuracy under every pairing of noise and rotation, read from the names of the views."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from pipeline_lib.errors import PipelineError
from pipeline_lib.evaluation.metrics import share_of
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.views.view import CLEAN

_NUMBER = r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
_CELL = re.compile(f"sigma{_NUMBER}-angle{_NUMBER}")
_AUGMENTED = re.compile(r"aug\d+")


class Cell(NamedTuple):
    """A cell of the grid: noise of ``sigma`` (of 255) and a rotation drawn from -``angle``..``angle`` degrees."""

    sigma: float
    angle: float


class CellResult(NamedTuple):
    """Accuracy of one cell with its interval, all 0..1, on ``n`` images."""

    sigma: float
    angle: float
    top1: float
    low: float
    high: float
    n: int


def is_augmented(view: str) -> bool:
    """Whether the view is one of the stored copies of data_new: ``aug1``, ``aug2``, ..."""
    return _AUGMENTED.fullmatch(view) is not None


def cell_of(view: str) -> Cell | None:
    """Return the cell that a view of the grid stands for, None for an augmented view of data_new.

    Raises:
        PipelineError: The name follows none of the rules.
    """
    if view == CLEAN:
        return Cell(0.0, 0.0)
    if is_augmented(view):
        return None
    match = _CELL.fullmatch(view)
    if match is None:
        raise PipelineError(f"View {view!r} is unknown: expected {CLEAN}, aug1, aug2, ... or sigma<S>-angle<A>.")
    return Cell(float(match[1]), float(match[2]))


def robustness(predictions: Predictions, confidence: float) -> list[CellResult]:
    """Return the accuracy in every cell of the grid, by sigma and angle; empty when the clean view is all there is."""
    views = {view: cell for view in np.unique(predictions.views).tolist() if (cell := cell_of(view)) is not None}
    if set(views) <= {CLEAN}:
        return []
    hits = predictions.predicted == predictions.labels
    results = []
    for view, cell in sorted(views.items(), key=lambda item: item[1]):
        rows = predictions.views == view
        share = share_of(hits[rows], predictions.groups[rows], confidence)
        results.append(CellResult(*cell, share.value, share.low, share.high, int(rows.sum())))
    return results
