"""What the comparison of two pictures has come to, and when they count as one source.

A verdict follows from the pixels of its two pictures alone, so a later run takes over those that it has.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

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
"""The least of each that makes one source of two pictures, chosen on pairs that were looked at (docs/decisions/020-sources.md).

The correlation keeps pictures apart that share a logo or a text alone, the overlap those that share a plain corner.
"""

_BLOCK = 32
"""Pictures that one is compared with at a time: 300 x 9,600 distances take 12 MB."""

_SHARE = 1024
"""Pairs that a thread takes at a time."""

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
    """Return the verdict on each pair of pictures, and how many pictures had to be opened.

    Args:
        pairs: (m, 2) Positions, the smaller one first, in ascending order.
        digests: (n,) uint64, ascending.
        open_picture: Opens a picture by its position; called from several threads.
        scratch: Where a file may be while pictures are compared; it is gone at the end.
        previous: A result with verdicts to take over.
        progress: Called with pictures opened, then with pairs compared.
    """
    verdicts = np.zeros(len(pairs), VERDICT)
    verdicts["first"], verdicts["second"] = digests[pairs].reshape(-1, 2).T
    missing = np.flatnonzero(~_take_over(verdicts, previous))
    pictures = np.unique(pairs[missing])
    if len(pictures):
        # BLAS and OpenCV work on one thread each: the pictures are spread over the cores here.
        cv2.setNumThreads(1)
        with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
            _sketch_all(scratch, pictures, open_picture, pool, progress)
            _compare_all(scratch, verdicts, missing, np.searchsorted(pictures, pairs[missing]), pool, progress)
        scratch.unlink()
    return verdicts, len(pictures)


def _take_over(verdicts: Array, previous: Kept | None) -> NDArray[np.bool_]:
    """Fill in the verdicts that a previous result has, if it is intact; return which these are."""
    if previous is None or not previous.is_intact(VERDICTS):
        return np.zeros(len(verdicts), bool)
    before = np.load(previous.folder / VERDICTS)
    wanted, there = _sortable(verdicts), _sortable(before)
    at = np.minimum(np.searchsorted(there, wanted), len(there) - 1)
    known: NDArray[np.bool_] = there[at] == wanted if len(there) else np.zeros(len(wanted), bool)
    verdicts[known] = before[at[known]]
    return known


def _sortable(verdicts: Array) -> Array:
    """Return the pairs as strings of 16 bytes, whose order is theirs: verdicts are in ascending order."""
    pairs: Array = np.stack([verdicts["first"], verdicts["second"]], axis=1).astype(">u8")
    return pairs.view("S16").ravel()


def _sketch_all(path: Path, pictures: Array, open_picture: OpenPicture, pool: ThreadPoolExecutor, progress: Progress) -> None:
    """Write the sketches of pictures to a file: those of 50,000 take more memory than a machine may have."""

    def work(picture: Any) -> bytes:
        record = np.zeros((), SKETCH)
        sketch(open_picture(int(picture)), record)
        return record.tobytes()

    with path.open("wb") as file:
        for done, content in enumerate(pool.map(work, pictures), start=1):
            file.write(content)
            progress(done, len(pictures), "pictures")


def _read_sketches(path: Path, places: Array) -> Array:
    size = SKETCH.itemsize
    return np.concatenate([np.fromfile(path, SKETCH, 1, offset=size * place) for place in places.tolist()])


def _compare_all(path: Path, verdicts: Array, rows: Array, places: Array, pool: ThreadPoolExecutor, progress: Progress) -> None:
    """Measure the pairs of verdicts in ``rows``; ``places`` are their pictures' places in the file of sketches."""

    def work(share: Array) -> int:
        for block in _blocks(places[share, 0]):
            pairs = share[block]
            (one,) = _read_sketches(path, places[pairs[:1], 0])
            measured = compare(one, list(_read_sketches(path, places[pairs, 1])))
            for name in MEASURED.names or ():
                verdicts[name][rows[pairs]] = measured[name]
        return len(share)

    done = 0
    for compared in pool.map(work, np.split(np.arange(len(rows)), range(_SHARE, len(rows), _SHARE))):
        done += compared
        progress(done, len(rows), "pairs")


def _blocks(first: Array) -> Iterator[Array]:
    """Return the positions of pairs with one first picture, a few at a time."""
    starts = np.flatnonzero(np.diff(first, prepend=-1))
    for positions in np.split(np.arange(len(first)), starts[1:]):
        yield from (positions[at : at + _BLOCK] for at in range(0, len(positions), _BLOCK))
