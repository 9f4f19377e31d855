"""Comparing models by what each of them said out of fold of the same photographs: figures, differences, intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from pipeline_lib.evaluation.out_of_fold import OutOfFold
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.views.view import CLEAN

MEASURES: Mapping[str, tuple[str, ...]] = {"clean": ("clean",), "noisy": ("noisy",), "mean": ("clean", "noisy")}
"""A measure -> the kinds of views whose shares of hits it is the mean of."""


@dataclass(frozen=True)
class Hits:
    """How often a model was right about each of n photographs.

    Attributes:
        images: (n,) str, keys of photographs, sorted.
        sources: (n,) int, what each photograph shows: those of one source are right or wrong together.
        shares: Kind of view, ``clean`` or ``noisy`` -> (n,) float64, the share of its views that were right, 0..1.
    """

    images: NDArray[np.str_]
    sources: NDArray[np.int64]
    shares: Mapping[str, NDArray[np.float64]]

    def of(self, images: NDArray[np.str_]) -> Hits:
        """Return the rows of some of the photographs, sorted keys."""
        rows = np.searchsorted(self.images, images)
        return Hits(images, self.sources[rows], {kind: share[rows] for kind, share in self.shares.items()})

    def figure(self, measure: str) -> float:
        """Return the figure by a measure, 0..1: every photograph counts alike."""
        return float(np.mean([self.shares[kind].mean() for kind in MEASURES[measure]]))


@dataclass(frozen=True)
class Estimate:
    """A figure with its confidence interval, all within -1..1."""

    value: float
    low: float
    high: float


def hits_of(judged: OutOfFold, beginning: str) -> Hits:
    """Return how often a model was right about the photographs whose keys begin like that and that have clean views.

    A model without noisy views, because none were drawn, has ``clean`` alone.
    """
    rows = judged.predictions.where(np.char.startswith(judged.predictions.images, beginning))
    clean = rows.views == CLEAN.name
    images, first = np.unique(rows.images, return_index=True)
    shares = {
        kind: _shares(rows.where(chosen), images) for kind, chosen in (("clean", clean), ("noisy", ~clean)) if chosen.any()
    }
    return Hits(images, rows.groups[first], shares)


def _shares(rows: Predictions, images: NDArray[np.str_]) -> NDArray[np.float64]:
    number = np.searchsorted(images, rows.images)
    right = np.bincount(number, weights=rows.predicted == rows.labels, minlength=len(images))
    return np.asarray(right / np.bincount(number, minlength=len(images)), np.float64)


def common_images(every: Sequence[Hits]) -> NDArray[np.str_]:
    """Return the keys of the photographs that all of them are about, sorted."""
    images = every[0].images
    for hits in every[1:]:
        images = np.intersect1d(images, hits.images)
    return images


def mean_of(every: Sequence[Hits]) -> Hits:
    """Return the mean over models that are about the same photographs, such as those of several seeds."""
    shares = {kind: np.mean([hits.shares[kind] for hits in every], axis=0) for kind in every[0].shares}
    return Hits(every[0].images, every[0].sources, shares)


def difference(first: Hits, second: Hits) -> Hits:
    """Return by how much the first model was more often right than the second about each of the same photographs, -1..1."""
    return Hits(first.images, first.sources, {kind: first.shares[kind] - second.shares[kind] for kind in first.shares})


def estimate(hits: Hits, measure: str, confidence: float) -> Estimate:
    """Return a figure, or a difference of figures, with an interval that respects that photographs of a source hang together.

    The figure is a mean of means; what each source adds to its error is summed within the source, and the sums of different
    sources are independent: a linearised, or cluster-robust, variance, with Student's t for as many sources less one. Of a
    difference this is the paired comparison: what both models find hard cancels.

    Source: W. G. Cochran, "Sampling techniques", third edition (1977), section 9A.

    Args:
        hits: The rows, n at least 1.
        measure: A name in `MEASURES`.
        confidence: Level of the interval.
    """
    kinds = MEASURES[measure]
    value, (_, source) = hits.figure(measure), np.unique(hits.sources, return_inverse=True)
    astray = np.sum([_astray(hits.shares[kind], source) for kind in kinds], axis=0) / len(kinds)
    if (count := len(astray)) < 2:
        return Estimate(value, -1.0, 1.0)
    half = student.ppf(0.5 + confidence / 2, count - 1) * np.sqrt(count / (count - 1) * (astray @ astray))
    return Estimate(value, *(float(end) for end in np.clip([value - half, value + half], -1, 1)))


def _astray(shares: NDArray[np.float64], source: NDArray[Any]) -> NDArray[np.float64]:
    """Return what each source adds to the error of the mean share."""
    return np.asarray(np.bincount(source, weights=shares - shares.mean()) / len(shares), np.float64)
