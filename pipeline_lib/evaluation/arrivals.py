"""New photographs beside the old ones of a dataset: how well the model does on them, and which are like no old one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from pipeline_lib.evaluation.drift import Sources
from pipeline_lib.evaluation.metrics import share_of

CONFIDENCE = 0.95
"""Level of the intervals."""

NEAREST = 5
"""Old photographs of the class whose mean distance counts: one alone may be as odd."""


@dataclass(frozen=True)
class Photographed:
    """The photographs of today, n rows.

    Attributes:
        images: Keys ``<split>/<class>/<name>``.
        labels: (n,) int64, the class of each.
        sources: (n,) int64, a number for each source.
        features: (n, width) float64, of the clean view, at length 1.
        right: (n,) bool, whether today's model is right about the clean view, out of fold.
        new: (n,) bool, whether the champion knows no photograph of the source.
    """

    images: Sequence[str]
    labels: NDArray[np.int64]
    sources: NDArray[np.int64]
    features: NDArray[np.float64]
    right: NDArray[np.bool_]
    new: NDArray[np.bool_]

    def by_source(self) -> Sources:
        """Return a row for each source: its first photograph, because a mean of many would be nearer to all others."""
        _, first = np.unique(self.sources, return_index=True)
        return Sources(self.features[first], self.labels[first], self.new[first])


@dataclass(frozen=True)
class Accuracy:
    """Top-1 out of fold of today's model on old and new photographs, 0..1.

    Attributes:
        old: On all old ones.
        mixed: On old ones, weighted so that classes are as frequent as among the new ones.
        new: On the new ones whose class has old ones.
        difference: New less mixed: what is left when classes are as frequent.
        low: Lower end of its interval.
        high: Upper end of its interval.
    """

    old: float
    mixed: float
    new: float
    difference: float
    low: float
    high: float


def accuracy(photographs: Photographed) -> Accuracy | None:
    """Return what today's model makes of new photographs beside old ones of the same classes; None where nothing compares.

    The interval is made of those of its two terms: Wilson's at the effective sample size for the new ones, the linearised one
    by source for the weighted old ones. Unlike that of a single standard error it has a width where all are right.

    Source: G. Y. Zou, A. Donner, "Construction of confidence limits about effect measures: a general approach", Statistics in
    Medicine 27 (2008).
    """
    old = ~photographs.new
    new = photographs.new & np.isin(photographs.labels, photographs.labels[old])
    if not new.any():
        return None
    found = share_of(photographs.right[new], photographs.sources[new], CONFIDENCE)
    mixed, half = _weighted(photographs, old, photographs.labels[new])
    difference = found.value - mixed
    low = difference - np.hypot(found.value - found.low, half)
    high = difference + np.hypot(found.high - found.value, half)
    figures = (float(photographs.right[old].mean()), mixed, found.value, difference, low, high)
    return Accuracy(*(float(each) for each in figures))


def _weighted(photographs: Photographed, old: NDArray[np.bool_], wanted: NDArray[np.int64]) -> tuple[float, float]:
    """Return top-1 on old photographs weighted to the classes wanted, and half of its interval: linearised, by source."""
    labels, right = photographs.labels[old], photographs.right[old].astype(np.float64)
    classes = photographs.labels.max() + 1
    counts = np.bincount(labels, minlength=classes)
    shares = np.bincount(wanted, minlength=classes) / len(wanted)
    of_class = np.bincount(labels, weights=right, minlength=classes) / counts.clip(1)
    weights = shares[labels] / counts[labels]
    _, source = np.unique(photographs.sources[old], return_inverse=True)
    astray = np.bincount(source, weights=weights * (right - of_class[labels]))
    spread = len(astray) / max(len(astray) - 1, 1) * (astray @ astray)
    return float(shares @ of_class), float(norm.ppf(0.5 + CONFIDENCE / 2) * np.sqrt(spread))


@dataclass(frozen=True)
class Unusual:
    """A new photograph beside the old ones of its class.

    Attributes:
        row: Which one.
        distance: Mean cosine distance to its `NEAREST` nearest ones, 0..2.
        farther: Share of the old ones that are as far, or farther, from their nearest ones of other sources, 0..1.
        nearest: Row of the nearest one.
    """

    row: int
    distance: float
    farther: float
    nearest: int


def unusual(photographs: Photographed) -> list[Unusual]:
    """Return the new photographs whose class has old ones, those first that are like no old one."""
    found = [each for label in np.unique(photographs.labels[photographs.new]) for each in _of_class(photographs, label)]
    return sorted(found, key=lambda each: (each.farther, -each.distance, photographs.images[each.row]))


def _of_class(photographs: Photographed, label: int) -> list[Unusual]:
    rows = np.flatnonzero(photographs.labels == label)
    new, old = rows[photographs.new[rows]], rows[~photographs.new[rows]]
    if not len(old):
        return []
    apart = 1 - photographs.features[rows] @ photographs.features[old].T
    apart[photographs.sources[rows][:, None] == photographs.sources[old][None, :]] = np.inf
    nearest = np.sort(apart, axis=1)[:, :NEAREST]
    known = np.isfinite(nearest)
    mean = np.where(known, nearest, 0).sum(axis=1) / known.sum(axis=1).clip(1)
    is_new = photographs.new[rows]
    of_old, beside = mean[~is_new], old[apart[is_new].argmin(axis=1)]
    return [
        Unusual(int(row), float(distance), float(np.mean(of_old >= distance)), int(near))
        for row, distance, near in zip(new, mean[is_new], beside, strict=True)
    ]
