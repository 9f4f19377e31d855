"""What the comparison of two pictures has come to, and when they count as one source.

A verdict follows from the pixels of its two pictures alone, so a later run takes over those that it has.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pipeline_lib.audit.geometry import MEASURED, compare
from pipeline_lib.audit.sketch import SKETCH, Array, sketch
from pipeline_lib.progress import Progress
from pipeline_lib.stages.kept import Kept

VERDICTS = "verdicts.npy"

VERDICT = np.dtype([("first", "u8"), ("second", "u8"), *((name, MEASURED[name]) for name in MEASURED.names or ())])
"""The first 64 bits of both pictures' digests, the smaller one first, and what was measured."""

INLIERS, SPREAD, OVERLAP, CORRELATION = 8, 0.005, 0.5, 0.9
"""The least of each that makes one source of two pictures, chosen on pairs that were looked at (docs/decisions/014-sources.md).

The correlation keeps pictures apart that share a logo or a text alone, the overlap those that share a plain corner.
"""

_BLOCK = 32
"""Pictures that one is compared with at a time: 300 x 9,600 distances take 12 MB."""

OpenPicture = Callable[[int], Array]
"""Returns the pixels of a picture by its position, (height, width, 3) uint8."""


def confirmed(verdicts: Array) -> NDArray[np.bool_]:
    """Return which pairs show one source."""
    enough = (verdicts["inliers"] >= INLIERS) & (verdicts["spread"] >= SPREAD)
    same: NDArray[np.bool_] = enough & (verdicts["overlap"] >= OVERLAP) & (verdicts["correlation"] >= CORRELATION)
    return same


def judge(
    pairs: Array, digests: Array, open_picture: OpenPicture, scratch: Path, previous: Kept | None, progress: Progress
) -> tuple[Array, int]:
    """Return the verdict on each pair of pictures, and how many pictures had to be looked at.

    Args:
        pairs: (m, 2) Positions, in ascending order.
        digests: (n,) uint64, ascending.
        open_picture: Opens a picture by its position.
        scratch: Where a file may be while pictures are compared; it is gone at the end.
        previous: A result with verdicts to take over.
        progress: Called with comparisons made.
    """
    verdicts = np.zeros(len(pairs), VERDICT)
    verdicts["first"], verdicts["second"] = digests[pairs].reshape(-1, 2).T
    open_pairs = np.flatnonzero(~_take_over(verdicts, previous))
    pictures = np.unique(pairs[open_pairs])
    if len(pictures):
        # BLAS and OpenCV work on one thread each: the pictures are spread over the cores here.
        cv2.setNumThreads(1)
        with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
            sketches = _sketch_all(pictures, open_picture, scratch, pool)
            places = np.searchsorted(pictures, pairs[open_pairs])
            _compare_all(verdicts, open_pairs, places, sketches, pool, progress)
        scratch.unlink()
    return verdicts, len(pictures)


def _take_over(verdicts: Array, previous: Kept | None) -> NDArray[np.bool_]:
    """Fill in the verdicts that a previous result has, if it is intact; return which these are."""
    known = np.zeros(len(verdicts), bool)
    if previous is None or not previous.is_intact(VERDICTS):
        return known
    before = np.load(previous.folder / VERDICTS)
    places = {pair: at for at, pair in enumerate(_pairs_of(before))}
    found = np.array([places.get(pair, -1) for pair in _pairs_of(verdicts)], np.int64)
    known = found >= 0
    verdicts[known] = before[found[known]]
    return known


def _pairs_of(verdicts: Array) -> Iterator[tuple[int, int]]:
    return zip(verdicts["first"].tolist(), verdicts["second"].tolist(), strict=True)


def _sketch_all(pictures: Array, open_picture: OpenPicture, scratch: Path, pool: ThreadPoolExecutor) -> Array:
    sketches = np.memmap(scratch, SKETCH, "w+", shape=len(pictures))

    def work(at: int) -> None:
        sketch(open_picture(int(pictures[at])), sketches[at])

    list(pool.map(work, range(len(pictures))))
    return sketches


def _compare_all(
    verdicts: Array, rows: Array, places: Array, sketches: Array, pool: ThreadPoolExecutor, progress: Progress
) -> None:
    names = list(MEASURED.names or ())

    def work(block: Sequence[int]) -> int:
        first, others = places[block[0], 0], places[block, 1]
        measured = compare(sketches[first], [sketches[other] for other in others])
        for name in names:
            verdicts[name][rows[block]] = measured[name]
        return len(block)

    done = 0
    for finished in pool.map(work, _blocks(places[:, 0])):
        done += finished
        progress(done, len(rows), "comparing pictures")


def _blocks(first: Array) -> Iterator[Array]:
    """Return the rows of pairs with one first picture, a few at a time."""
    starts = np.flatnonzero(np.diff(first, prepend=-1))
    for rows in np.split(np.arange(len(first)), starts[1:]):
        yield from (rows[at : at + _BLOCK] for at in range(0, len(rows), _BLOCK))
