"""Figures of merit of a classifier, each with its definition; pure functions of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
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
    """Return how many independent rows are worth as much as these rows, which come in groups that show one picture.

    Views of an image, and copies of it, tend to be right or wrong together, so n rows in groups of n_i say less than n
    independent ones: by the design effect ``1 + (sum(n_i^2) / n - 1) rho``, where rho is the correlation of two rows of one
    group. Such a pair disagrees with probability ``2 p q (1 - rho)``, so rho follows from the share of pairs that do; p q is
    taken from the overall share p, without its bias, ``p q = p_hat q_hat / (1 - sum(n_i^2) / n^2)``.

    Pairs that never disagree, as byte-identical copies, have rho = 1, however few or many of them happen to be right: the
    size is then ``n^2 / sum(n_i^2)``, the number of groups when all are alike. That is its lower limit; the upper one is n,
    an estimate above which is luck. Where all rows are right or all are wrong no pair could disagree, and rho = 1 is taken.

    Source: L. Kish, "Survey Sampling" (1965), sections 5.4 and 8.2; M. S. Ridout, C. G. B. Demetrio, D. Firth, "Estimating
    intraclass correlation for binary data", Biometrics 55 (1999), the pairwise estimates.

    Args:
        hits: (n,) bool, n > 0.
        groups: (n,) what each row shows; rows of different groups are independent.
    """
    n, share = len(hits), float(hits.mean())
    _, group = np.unique(groups, return_inverse=True)
    sizes, right = np.bincount(group).astype(np.float64), np.bincount(group, weights=hits)
    same_group = float(sizes @ sizes)  # ordered pairs of rows, each row with itself among them
    disagreeing = 2 * float(right @ (sizes - right))
    expected = 2 * share * (1 - share) / (1 - same_group / n**2) if len(sizes) > 1 else 0.0
    independent = disagreeing / expected if expected else 0.0
    return float(np.clip(n**2 / max(same_group - independent, 1.0), n**2 / same_group, n))


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


def rounded_floats(value: Any) -> Any:
    """Return a value with every float in it rounded to six decimals, below which sums depend on the machine."""
    if isinstance(value, Mapping):
        return {key: rounded_floats(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded_floats(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value
