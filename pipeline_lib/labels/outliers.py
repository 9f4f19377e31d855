"""Photographs that look like no other one: candidates for what does not belong into a dataset."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.audit.neighbours import nearest

NEAREST = 5
"""Neighbours whose distance counts: with one alone, two photographs of one scene would hide each other."""


def distances(features: NDArray[np.float32], sources: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how far each photograph is from its nearest neighbours of other sources: their mean cosine distance, 0..2.

    The distance to the k nearest neighbours is one of the best detectors in comparisons, beside its simplicity (Sun et al.
    2022, arXiv:2204.06507). Copies of one source are near each other whatever they show, so they do not count.

    Args:
        features: (n, width), not all zero.
        sources: (n,) the source of each.

    Returns:
        (n,); 0 for a photograph without a neighbour of another source among the nearest ones.
    """
    if not len(features):
        return np.zeros(0)
    similarities, found = nearest(features)
    others = (found >= 0) & (sources[found] != sources[:, None])
    apart = np.sort(np.where(others, 1 - similarities.astype(np.float64), np.inf), axis=1)[:, :NEAREST]
    known = np.isfinite(apart)
    total = np.where(known, apart, 0).sum(axis=1)
    return np.asarray(total / known.sum(axis=1).clip(1))
