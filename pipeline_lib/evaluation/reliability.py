"""How far a network's probabilities can be trusted. Training looks at this too, so it is kept apart from `metrics`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

BINS = 15
"""Usual number of bins (Guo et al. 2017)."""


@dataclass(frozen=True)
class CalibrationBin:
    """One bar of a reliability diagram: the rows whose confidence lies in (low, high].

    ``confidence`` and ``accuracy`` are the means over the bin's ``n`` rows, None for an empty bin.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


def probabilities(logits: NDArray[np.floating[Any]], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return the (n, C) class probabilities ``softmax(logits / temperature)``; temperature > 0."""
    return np.asarray(softmax(np.asarray(logits, np.float64) / temperature, axis=1), np.float64)


def cross_entropy(logits: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> float:
    """Return the mean negative log-probability of the true class, in nats; 0 is perfect, log C is guessing.

    Args:
        logits: Outputs before softmax, (n, C).
        labels: Class ids, (n,).
    """
    log_probabilities = log_softmax(np.asarray(logits, np.float64), axis=1)
    return -float(log_probabilities[np.arange(len(labels)), labels].mean())


def reliability(confidence: NDArray[np.float64], hits: NDArray[np.bool_], bins: int) -> list[CalibrationBin]:
    """Return the reliability diagram: mean confidence and accuracy in equal-width bins of confidence over 0..1.

    Source: C. Guo et al., "On calibration of modern neural networks", ICML 2017, section 2.
    """
    edges = np.linspace(0, 1, bins + 1)
    member = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    result = []
    for index in range(bins):
        rows = member == index
        means = (float(confidence[rows].mean()), float(hits[rows].mean())) if rows.any() else (None, None)
        result.append(CalibrationBin(float(edges[index]), float(edges[index + 1]), int(rows.sum()), *means))
    return result


def calibration_error(bins: list[CalibrationBin]) -> float:
    """Return the expected calibration error, 0..1: the gap of accuracy and confidence, averaged over rows (Guo et al. 2017)."""
    total = sum(bin_.n for bin_ in bins)
    return (
        sum(
            bin_.n * abs(bin_.accuracy - bin_.confidence)
            for bin_ in bins
            if bin_.accuracy is not None and bin_.confidence is not None
        )
        / total
    )
