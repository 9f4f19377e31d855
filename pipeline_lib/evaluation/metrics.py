"""Figures of merit of a classifier, each with its definition; pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from scipy.stats import norm
from sklearn.metrics import f1_score, precision_recall_fscore_support

Labels = NDArray[np.integer[Any]]
Logits = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Share:
    """A measured share with its confidence interval.

    Attributes:
        value: The share, 0..1.
        low: Lower end of the interval, 0..value.
        high: Upper end of the interval, value..1.
        n_effective: The number of independent rows that would be as informative, at most the number of rows.
    """

    value: float
    low: float
    high: float
    n_effective: float


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


def probabilities(logits: Logits, temperature: float = 1.0) -> NDArray[np.float64]:
    """Return the (n, C) class probabilities ``softmax(logits / temperature)``; temperature > 0."""
    return np.asarray(softmax(np.asarray(logits, np.float64) / temperature, axis=1), np.float64)


def cross_entropy(logits: Logits, labels: Labels) -> float:
    """Return the mean negative log-probability of the true class, in nats; 0 is perfect, log C is guessing."""
    log_probabilities = log_softmax(np.asarray(logits, np.float64), axis=1)
    return -float(log_probabilities[np.arange(len(labels)), labels].mean())


def truth_ranks(logits: Logits, labels: Labels) -> NDArray[np.int64]:
    """Return (n,) int64: the place of the true class among the outputs, 1 = the largest.

    Of equal outputs the class with the lower index comes first, as ``argmax`` decides: a network whose outputs are all
    alike is then right by chance and not always.
    """
    truth = logits[np.arange(len(labels)), labels][:, None]
    before = np.arange(logits.shape[1])[None, :] < np.asarray(labels)[:, None]
    ahead = (logits > truth) | ((logits == truth) & before)
    return np.asarray(1 + ahead.sum(axis=1), np.int64)


def wilson_interval(share: float, n: float, confidence: float) -> tuple[float, float]:
    """Return Wilson's score interval of a share measured on n independent rows.

    It keeps its level for small n and near 0 and 1, where the usual ``p +- z sqrt(p q / n)`` leaves 0..1 or has no width.
    ``n`` need not be whole, which is what an effective sample size needs.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).

    Args:
        share: The measured share, 0..1.
        n: Number of independent rows, above 0.
        confidence: Level of the interval, such as 0.95.
    """
    z = float(norm.ppf(0.5 + confidence / 2))
    centre = share + z * z / (2 * n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)
    # Rounding may put an end a hair on the wrong side of a share of exactly 0 or 1.
    return float(np.clip(low, 0, share)), float(np.clip(high, share, 1))


def effective_size(hits: NDArray[np.bool_], groups: NDArray[Any]) -> float:
    """Return how many independent rows are worth as much as these rows, which come in groups (the views of an image).

    Views of one image tend to be right or wrong together, so k views of m images tell less than k*m images would. With
    ``e_i`` = hits of image i minus what the overall share p expects of its n_i views, the variance of p under cluster
    sampling is ``m/(m-1) * sum(e_i^2) / n^2`` (the ratio estimator's linearisation); the design effect is that variance
    over ``p q / n``, the variance of n independent rows, and the effective size is n over the design effect.

    The result is kept between its two limits: n (views independent; an estimate above that is luck) and
    ``n^2 / sum(n_i^2)`` (views of an image all alike), which is the number of images when each has as many views. A share
    of 0 or 1 shows nothing of how views hang together, so the lower limit is taken.

    Source: L. Kish, "Survey Sampling" (1965), sections 5.4 and 8.2; W. G. Cochran, "Sampling Techniques" (1977), 9A.

    Args:
        hits: (n,) bool, n > 0.
        groups: (n,) the image that each row is a view of.
    """
    n = len(hits)
    _, group = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group)
    least, share, m = n**2 / float((sizes.astype(np.float64) ** 2).sum()), float(hits.mean()), len(sizes)
    if m < 2 or share in (0.0, 1.0):
        return least
    excess = np.bincount(group, weights=hits) - share * sizes
    design_effect = m / (m - 1) * float(excess @ excess) / (n * share * (1 - share))
    return float(np.clip(n / max(design_effect, 1.0), least, n))


def share_of(hits: NDArray[np.bool_], groups: NDArray[Any], confidence: float) -> Share:
    """Return the share of hits with its Wilson interval at the effective sample size; see `effective_size`."""
    value, size = float(hits.mean()), effective_size(hits, groups)
    return Share(value, *wilson_interval(value, size, confidence), size)


def macro_f1(labels: Labels, predicted: Labels) -> float:
    """Return the mean F1 over the classes that occur in ``labels``, 0..1; every such class counts alike."""
    return float(f1_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0))


def per_class(labels: Labels, predicted: Labels, classes: int) -> list[tuple[float, float, float, int]]:
    """Return for each class precision, recall, F1 (0..1) and the number of its rows; 0 where a ratio has no rows."""
    columns = precision_recall_fscore_support(labels, predicted, labels=np.arange(classes), zero_division=0)
    return [(float(p), float(r), float(f), int(n)) for p, r, f, n in zip(*columns, strict=True)]


def most_confused(matrix: NDArray[np.integer[Any]], limit: int) -> list[tuple[int, int, int]]:
    """Return the most frequent mistakes of a (C, C) confusion matrix as (true, predicted, count), most frequent first."""
    mistakes = matrix.copy()
    np.fill_diagonal(mistakes, 0)
    ranked = sorted(((-int(mistakes[t, p]), int(t), int(p)) for t, p in zip(*mistakes.nonzero(), strict=True)))
    return [(true, predicted, -count) for count, true, predicted in ranked[:limit]]


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
