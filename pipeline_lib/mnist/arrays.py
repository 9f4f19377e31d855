"""A dataset of small grey images as arrays: what the dataset stage of ``lenet-mnist`` writes and later stages read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.files.table import read_table, write_table

SIDE = 28
"""Pixels: side of every image."""


@dataclass(frozen=True)
class Split:
    """One split of a dataset.

    Attributes:
        images: Grey values 0..255, uint8 (n, SIDE, SIDE).
        labels: Class ids, uint8 or int64 (n,).
        keys: Key of each image, ``<split>/<class>/<name>``.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    keys: Sequence[str]


def write_split(folder: Path, name: str, split: Split) -> None:
    """Write ``<name>-images.npy``, ``<name>-labels.npy`` and ``<name>.csv``, the key of each image."""
    np.save(folder / f"{name}-images.npy", split.images)
    np.save(folder / f"{name}-labels.npy", split.labels)
    write_table(folder / f"{name}.csv", ["image"], ([key] for key in split.keys))


def has_split(folder: Path, name: str) -> bool:
    """Return whether `write_split` has written a split of that name into a folder."""
    return (folder / f"{name}-images.npy").exists()


def read_split(folder: Path, name: str) -> Split:
    """Return what `write_split` wrote; the images stay on disk until they are used."""
    keys = [row["image"] for row in read_table(folder / f"{name}.csv")]
    images = np.load(folder / f"{name}-images.npy", mmap_mode="r")
    return Split(images, np.load(folder / f"{name}-labels.npy"), keys)
