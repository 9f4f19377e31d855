"""The cached features as they are read: the rows of many shards as one table. Nothing here computes a feature."""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.files.table import read_table
from pipeline_lib.images.noise import noise_level

FEATURES = "features.npy"
SHARD_INDEX = "index.csv"
COLUMNS = ("image", "sha256", "label", "view", "seen", "noise")

RESIDENT = 128 * 2**20
"""Most bytes of shards that stay in the process's memory while their rows are read in any order."""

READ_AROUND = 64 * 2**10
"""Bytes that Linux maps around the one that is read (the default of fault_around_bytes)."""


@dataclass(frozen=True)
class Row:
    """One row of a shard.

    Attributes:
        image: The original's key, ``<split>/<class>/<name>``.
        sha256: Digest of the original's bytes.
        label: Class name.
        view: Name of the view.
        seen: Digest of the bytes that the backbone saw: the original's in the clean view, else the augmented copy's.
        noise: Standard deviation of the noise that was removed, of 255, two decimals; empty where it was not estimated.
    """

    image: str
    sha256: str
    label: str
    view: str
    seen: str
    noise: str = ""


def read_index(folder: Path) -> list[Row]:
    """Return the rows of a shard's index, in the order of its features."""
    return [Row(**row) for row in read_table(folder / SHARD_INDEX)]


def read_features(folders: Sequence[Path]) -> dict[str, NDArray[np.float32]]:
    """Return the features of shards that hold one view, (width,) each, by the key of their original; they stay on disk."""
    features: dict[str, NDArray[np.float32]] = {}
    for folder in folders:
        features.update(zip((row.image for row in read_index(folder)), np.load(folder / FEATURES, mmap_mode="r"), strict=True))
    return features


class FeatureSet:
    """The rows of many shards as one table; features stay on disk until they are asked for.

    Rows are in the order of (view, image), so the table does not depend on how images fell into shards.

    Args:
        folders: The shards.
        classes: Names of the classes.
        corrections: Class ids of images whose label was corrected, by their key; None for one that is left out.

    Attributes:
        images: Keys of the originals, (n,) str.
        labels: Class ids, (n,) int64, positions in ``classes``.
        views: Names of the views, (n,) str.
        width: Features a row.
        noise_aware: Whether the noise was estimated; its level is then behind the features.
    """

    def __init__(
        self, folders: Sequence[Path], classes: Sequence[str], corrections: Mapping[str, int | None] = MappingProxyType({})
    ) -> None:
        ids = {name: number for number, name in enumerate(classes)}
        mapped: list[Any] = []
        rows = []
        for folder in folders:
            if index := read_index(folder):  # one at a time: all of them would take twice the memory of the rows
                rows += [
                    (intern(row.view), row.image, label, len(mapped), at, row.noise and float(row.noise))
                    for at, row in enumerate(index)
                    if (label := corrections.get(row.image, ids[row.label])) is not None
                ]
                mapped.append(np.load(folder / FEATURES, mmap_mode="r"))
        rows.sort()
        # Plain arrays over the mapped files: to index NumPy's memmap itself takes five times as long.
        self._shards = [np.asarray(shard) for shard in mapped]
        self._maps = [shard.base for shard in mapped] if sum(shard.nbytes for shard in mapped) > RESIDENT else []
        self._rows_resident = 0
        self.views = np.array([row[0] for row in rows])
        self.images = np.array([row[1] for row in rows])
        self.labels = np.array([row[2] for row in rows], np.int64)
        self._shard = np.array([row[3] for row in rows], np.int64)
        self._at = np.array([row[4] for row in rows], np.int64)
        noise = [row[5] for row in rows if row[5] != ""]
        self._levels = noise_level(np.array(noise, np.float32)).reshape(len(rows), -1 if rows else 0)
        self.width = int(self._shards[0].shape[1]) if self._shards else 0
        self.noise_aware = bool(noise)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the features of the rows named, float32 (len(indices), width), in that order; and their level of noise.

        Shards of activations are float16, and their rows become float32 here.
        """
        out = np.empty((len(indices), self.width + self.noise_aware), np.float32)
        out[:, self.width :] = self._levels[indices]
        # Row by row: a batch has about as many shards as rows, and to pick the rows of each shard takes longer.
        for row, shard, at in zip(out, self._shard[indices].tolist(), self._at[indices].tolist(), strict=True):
            row[: self.width] = self._shards[shard][at]
        self._release(len(indices))
        return out

    def _release(self, rows: int) -> None:
        """Give pages back once many rows were read: the system's cache keeps them, this process need not."""
        self._rows_resident += rows
        if self._rows_resident * max(READ_AROUND, 4 * self.width) > RESIDENT:
            for mapped in self._maps:
                mapped.madvise(mmap.MADV_DONTNEED)
            self._rows_resident = 0
