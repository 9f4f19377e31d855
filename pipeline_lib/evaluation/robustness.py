"""The robustness grid: accuracy under every pairing of noise and rotation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pipeline_lib.evaluation.metrics import share_of
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.views.view import View


class CellResult(NamedTuple):
    """Accuracy with its interval, 0..1, on ``n`` images under noise (``sigma`` of 255), turned by up to ``angle`` degrees."""

    sigma: float
    angle: float
    top1: float
    low: float
    high: float
    n: int


def robustness(predictions: Predictions, views: Sequence[View], confidence: float) -> list[CellResult]:
    """Return the accuracy in every cell of the grid that has rows, by sigma and angle; empty without rows of the grid.

    Args:
        predictions: The rows of all views.
        views: The views there are; the clean one is the cell without noise and rotation.
        confidence: Level of the intervals.
    """
    rows_of = {view: predictions.views == view.name for view in views if view.kind != "augmented"}
    rows_of = {view: rows for view, rows in rows_of.items() if rows.any()}
    if not any(view.kind == "grid" for view in rows_of):
        return []
    hits = predictions.predicted == predictions.labels
    results = []
    for view, rows in rows_of.items():
        share = share_of(hits[rows], predictions.groups[rows], confidence)
        results.append(CellResult(view.sigma[1], view.angle_max, share.value, share.low, share.high, int(rows.sum())))
    return sorted(results)
