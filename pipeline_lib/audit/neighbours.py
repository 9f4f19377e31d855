"""Which pictures are worth comparing: the nearest ones among the backbone's features."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 16
"""Nearest pictures that each picture is compared with."""

_LINKS, _BUILDING, _SEARCHING = 32, 80, 128
"""Links of a node of the graph, and how many candidates are kept while it is built and searched."""


def nearest(features: NDArray[np.float32], count: int = NEIGHBOURS) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the ``count`` nearest pictures of each picture, by the angle between features.

    The graph of Malkov and Yashunin (2018; faiss's HNSW) makes the cost grow with n log n. It is built on one thread, in
    the order of the rows: equal features give equal neighbours.

    Args:
        features: (n, width), n at least 1.
        count: Neighbours a picture.

    Returns:
        Their cosine similarities and their positions, (n, count + 1) each, the nearest first; the picture itself is one of
        them, and -1 is nobody.
    """
    faiss.omp_set_num_threads(1)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    vectors = features / np.maximum(lengths, np.finfo(np.float32).tiny)
    graph = faiss.IndexHNSWFlat(vectors.shape[1], _LINKS, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction, graph.hnsw.efSearch = _BUILDING, max(_SEARCHING, count + 1)
    graph.add(vectors)
    similarities, found = graph.search(vectors, min(count + 1, len(features)))
    return similarities, found


def neighbour_pairs(features: NDArray[np.float32], count: int = NEIGHBOURS) -> NDArray[np.int64]:
    """Return the pairs of pictures of which one is among the ``count`` nearest of the other, see `nearest`.

    Returns:
        (m, 2) positions, the smaller one first, in ascending order.
    """
    if len(features) < 2:
        return np.empty((0, 2), np.int64)
    _, found = nearest(features, count)
    return unique_pairs(np.repeat(np.arange(len(features)), found.shape[1]), found.ravel())


def unique_pairs(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.int64]:
    """Return each pair of two different positions once, the smaller one first, in ascending order; -1 is nobody."""
    pairs = np.sort(np.stack([first, second], axis=1).astype(np.int64), axis=1)
    unique: NDArray[np.int64] = np.unique(pairs[(pairs[:, 0] != pairs[:, 1]) & (pairs[:, 0] >= 0)], axis=0)
    return unique
