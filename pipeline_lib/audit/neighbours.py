"""Which pictures are worth comparing: the nearest ones among the backbone's features."""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float32]

NEIGHBOURS = 16
"""Nearest pictures that each picture is compared with.

With 10 the 2,212 photographs fall into the same sources as with all pairs of a class compared.
"""

WIDTH = 256
"""Numbers that are kept of a picture's features."""

_LINKS, _BUILDING, _SEARCHING = 32, 80, 128
"""Links of a node of the graph, and how many candidates are kept while it is built and searched."""


def condensed(features: Table) -> Table:
    """Return features at length 1, projected on `WIDTH` random directions where they are wider.

    Random directions keep angles nearly as they are (Johnson and Lindenstrauss 1984). They are always the same ones, where
    principal components would change all neighbours a little with every picture that is added.

    Args:
        features: (n, width).
    """
    vectors, width = _unit(features), features.shape[1]
    if width <= WIDTH:
        return vectors
    directions = np.random.default_rng(0).standard_normal((width, WIDTH), np.float32)
    projected: Table = vectors @ directions
    return projected


def nearest(vectors: Table, count: int = NEIGHBOURS) -> tuple[Table, NDArray[np.int64]]:
    """Return the ``count`` nearest pictures of each picture, by the angle between vectors.

    The graph of Malkov and Yashunin (2018; faiss's HNSW) makes the cost grow with n log n. It is built on one thread, in
    the order of the rows: equal vectors give equal neighbours.

    Args:
        vectors: (n, width), n at least 1.
        count: Neighbours a picture.

    Returns:
        Their cosine similarities and their positions, (n, count + 1) each, the nearest first; the picture itself is one of
        them, and -1 is nobody.
    """
    faiss.omp_set_num_threads(1)
    unit = _unit(vectors)
    graph = faiss.IndexHNSWFlat(unit.shape[1], _LINKS, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction, graph.hnsw.efSearch = _BUILDING, max(_SEARCHING, count + 1)
    graph.add(unit)
    similarities, found = graph.search(unit, min(count + 1, len(unit)))
    return similarities, found


def neighbour_pairs(vectors: Table, count: int = NEIGHBOURS) -> NDArray[np.int64]:
    """Return the pairs of pictures of which one is among the ``count`` nearest of the other, see `nearest`.

    Returns:
        (m, 2) positions, the smaller one first, in ascending order.
    """
    if len(vectors) < 2:
        return np.empty((0, 2), np.int64)
    _, found = nearest(vectors, count)
    pairs = np.stack([np.repeat(np.arange(len(vectors)), found.shape[1]), found.ravel()], axis=1)
    pairs.sort(axis=1)
    unique: NDArray[np.int64] = np.unique(pairs[(pairs[:, 0] != pairs[:, 1]) & (pairs[:, 0] >= 0)], axis=0)
    return unique


def _unit(vectors: Table) -> Table:
    """Return vectors at length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Table = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit
