"""The figures of one set of rows, as they stand in ``metrics.json``: shares are 0..1, a figure without rows is None."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from pipeline_lib.evaluation import metrics
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.evaluation.reliability import calibration_error, probabilities, reliability

TOP_K = 5
_MOST_CONFUSED = 10
_DRAWS = 100  # the mean of an error of 0.07 is then known to 0.002


def scores(predictions: Predictions, bins: Sequence[str] | None, confidence: float) -> dict[str, Any] | None:
    """Return shares with their intervals, loss and macro F1 of rows; None without rows.

    ``n`` counts rows, ``images`` images, and ``n_effective`` the independent images that the rows are worth, from which the
    intervals are computed: views of an image and copies of a picture hang together.

    Args:
        predictions: The rows.
        bins: (C,) the bin of each class; None when the classes have none.
        confidence: Level of the intervals.
    """
    if not len(predictions):
        return None
    labels = predictions.labels
    rank = metrics.truth_ranks(predictions.logits, labels)
    hits = {"top1": rank == 1, "top5": rank <= TOP_K}
    if bins:
        bin_index = _bin_index(bins)
        hits["bin_accuracy"] = bin_index[labels] == bin_index[predictions.predicted]
    shares = {name: metrics.share_of(hit, predictions.groups, confidence) for name, hit in hits.items()}
    result: dict[str, Any] = {}
    for name, share in shares.items():
        result |= {name: share.value, f"{name}_low": share.low, f"{name}_high": share.high}
    return result | {
        "n": len(predictions),
        "images": len(np.unique(predictions.images)),
        "n_effective": shares["top1"].n_effective,
        "loss": metrics.cross_entropy(predictions.logits, labels),
        "macro_f1": metrics.macro_f1(labels, predictions.predicted),
    }


def calibration(predictions: Predictions, temperature: float, bins: int) -> dict[str, Any]:
    """Return the calibration error and the reliability diagram, before and after division by the temperature.

    ``ece_of_chance`` is the error, after division, that a network would show on average whose confidences were exactly right:
    in a bin of few rows the share of hits strays from its expectation, so on few rows no error is near 0. An error below it
    or near it is not told apart from none.

    Source of the simulation: J. Broecker, L. A. Smith, "Increasing the reliability of reliability diagrams", Weather and
    Forecasting 22 (2007), section 3.
    """
    hits = predictions.predicted == predictions.labels
    unscaled, scaled = (probabilities(predictions.logits, divisor).max(axis=1) for divisor in (1.0, temperature))
    before, after = reliability(unscaled, hits, bins), reliability(scaled, hits, bins)
    draws = np.random.default_rng(0).random((_DRAWS, len(scaled))) < scaled
    return {
        "ece": calibration_error(after),
        "ece_before": calibration_error(before),
        "ece_of_chance": float(np.mean([calibration_error(reliability(scaled, draw, bins)) for draw in draws])),
        "reliability": {"before": [asdict(bin_) for bin_ in before], "after": [asdict(bin_) for bin_ in after]},
    }


def per_bin(predictions: Predictions, bins: Sequence[str], confidence: float) -> list[dict[str, Any]]:
    """Return precision, recall (with its interval) and F1 of every bin: a mistake inside the right bin counts as right."""
    names, index = sorted(set(bins)), _bin_index(bins)
    true, said = index[predictions.labels], index[predictions.predicted]
    rows = []
    for number, (precision, recall, f1, n) in enumerate(metrics.per_class(true, said, len(names))):
        share = metrics.share_of(said[true == number] == number, predictions.groups[true == number], confidence) if n else None
        rows.append(
            {"bin": names[number], "n": n, "precision": precision, "recall": recall, "f1": f1}
            | {"low": share and share.low, "high": share and share.high}
        )
    return rows


def confusion(predictions: Predictions, classes: Sequence[str]) -> NDArray[np.int64]:
    """Return the (C, C) confusion matrix: a row for each true class, a column for each predicted one."""
    matrix = confusion_matrix(predictions.labels, predictions.predicted, labels=np.arange(len(classes)))
    return np.asarray(matrix, np.int64)


def most_confused(predictions: Predictions, classes: Sequence[str]) -> list[list[Any]]:
    """Return the most frequent mistakes as [true class, predicted class, count]."""
    worst = metrics.most_confused(confusion(predictions, classes), _MOST_CONFUSED)
    return [[classes[true], classes[said], count] for true, said, count in worst]


def _bin_index(bins: Sequence[str]) -> NDArray[np.int64]:
    """Return for each class the index of its bin among the sorted bins."""
    return np.asarray(np.unique(np.asarray(bins), return_inverse=True)[1], np.int64)
