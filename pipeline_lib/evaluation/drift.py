"""Whether new photographs are of another kind than old ones: other classes more often, or other pictures of the same classes.

Photographs of one source are not independent, so each source counts once, by one photograph: the rows here are sources.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import MonteCarloMethod, chi2_contingency

from pipeline_lib.evaluation.promotion import holm

DRAWS = 1999
"""Permutations of a test: the smallest p is 1 / (DRAWS + 1)."""

FEWEST = 2
"""Sources of a kind below which nothing is tested."""


@dataclass(frozen=True)
class Sources:
    """n sources, old and new ones.

    Attributes:
        features: (n, width) float64, of a clean view of the source, at length 1.
        labels: (n,) int64, the class of that photograph.
        new: (n,) bool.
    """

    features: NDArray[np.float64]
    labels: NDArray[np.int64]
    new: NDArray[np.bool_]


@dataclass(frozen=True)
class Drift:
    """Probabilities of a difference as large as that seen, or larger, if new sources were drawn like old ones.

    Attributes:
        classes: How often each class comes, by chance alone.
        pictures: What its pictures look like, given the class.
        p: Of either, both looked at: the smaller one by Holm.
    """

    classes: float
    pictures: float
    p: float


def drift(sources: Sources) -> Drift | None:
    """Return whether new sources differ from old ones; None with fewer than `FEWEST` of either."""
    if min(sources.new.sum(), (~sources.new).sum()) < FEWEST:
        return None
    classes, pictures = shift_of_classes(sources), shift_within_classes(sources)
    return Drift(classes, pictures, min(holm([classes, pictures])))


def shift_of_classes(sources: Sources) -> float:
    """Return p of the chi-squared test of old and new against class, 1 with one class.

    Its null distribution is that of random tables with these margins, because most classes have few new sources.
    """
    names = np.unique(sources.labels)
    if len(names) < 2:
        return 1.0
    table = [[np.sum((sources.labels == name) & (sources.new == new)) for name in names] for new in (False, True)]
    drawn = MonteCarloMethod(n_resamples=DRAWS, rng=np.random.default_rng(0))
    return float(chi2_contingency(np.array(table), correction=False, method=drawn).pvalue)


def shift_within_classes(sources: Sources) -> float:
    """Return p of the energy statistic summed over classes, permuted within them, 1 without a class that has both kinds.

    The energy statistic is zero for equal distributions alone and has nothing to tune. Permuted within a class, it cannot
    mistake another mix of classes for other pictures.

    Source: M. L. Rizzo, G. J. Szekely, "DISCO analysis: a nonparametric extension of analysis of variance", Annals of Applied
    Statistics 4 (2010).
    """
    rng, statistics = np.random.default_rng(0), np.zeros(DRAWS + 1)
    for name in np.unique(sources.labels):
        rows = sources.labels == name
        new = sources.new[rows]
        if new.any() and not new.all():
            statistics += _energies(sources.features[rows], _permuted(new, rng))
    # A hair below what was seen is as much: sums depend on their order.
    return float(np.mean(statistics >= statistics[0] * (1 - 1e-9)))


def _permuted(new: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return (DRAWS + 1, n): what is new as it is, then permuted."""
    return np.vstack([new, rng.permuted(np.tile(new, (DRAWS, 1)), axis=1)])


def _energies(features: NDArray[np.float64], new: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the energy statistic of each row of (draws, n) ``new``; at least 0 but for rounding."""
    count, others = new.sum(axis=1, keepdims=True), (~new).sum(axis=1, keepdims=True)
    weights = new / count - ~new / others
    between = -np.einsum("dn,dn->d", weights @ cdist(features, features), weights)
    return np.asarray((count * others / (count + others))[:, 0] * between)
