"""The feature store: one ``features.npy`` a shard, an index beside it, and all shards of a split read as one table."""

from __future__ import annotations

import csv
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.lib.format import open_memmap, write_array_header_1_0
from numpy.typing import NDArray

from pipeline_lib.features.engines import Engine
from pipeline_lib.images.read import ImageFile, read_image
from pipeline_lib.stages.kept import Kept
from pipeline_lib.stages.store import Ref
from pipeline_lib.views.folder import ViewFolder
from pipeline_lib.views.view import CLEAN

FEATURES = "features.npy"
INDEX = "index.csv"
COLUMNS = ("image", "sha256", "label", "view", "seen")

RESIDENT = 128 * 2**20
"""Most bytes of shards that stay in the process's memory while their rows are read in any order."""

READ_AROUND = 64 * 2**10
"""Bytes that Linux maps around the one that is read (the default of fault_around_bytes)."""

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One row of a shard.

    Attributes:
        image: The original's key, ``<split>/<class>/<name>``.
        sha256: Digest of the original's bytes.
        label: Class name.
        view: Name of the view.
        seen: Digest of the bytes that the backbone saw: the original's in the clean view, else the augmented copy's.
    """

    image: str
    sha256: str
    label: str
    view: str
    seen: str


def rows_of(images: Ref) -> list[tuple[Row, ImageFile]]:
    """Return the images of a part of a result, each with its file, in the order of their keys.

    A part of the dataset is seen in the clean view; one of an augmented shard in the view that its index names.
    """
    if images.stage == "dataset":
        outputs = images.outputs()
        rows: list[tuple[Row, ImageFile]] = [
            (Row(output.path, output.sha256, _label(output.path), CLEAN, output.sha256), images.folder / output.path)
            for output in outputs
        ]
    else:
        view = ViewFolder.read(images.folder / images.prefix)
        rows = [
            (Row(row["image"], row["sha256"], _label(row["image"]), view.path.name, row["copy_sha256"]), file)
            for row, file in view.images()
        ]
    return sorted(rows, key=lambda row: row[0].image)


def _label(image: str) -> str:
    return image.split("/")[1]


def write_shard(folder: Path, images: Sequence[tuple[Row, ImageFile]], engine: Engine, previous: Kept | None = None) -> int:
    """Write the pooled features of images, float32 (n, width), in the order given; return how many were computed.

    ``previous`` is a shard of the same engine and backbone: if it is what was recorded, rows of images seen there are copied.
    Memory holds one batch at a time, whatever the shard's size.
    """
    features = _table(folder / FEATURES, len(images), engine.width)
    known = _known(previous)
    missing = []
    for at, (row, path) in enumerate(images):
        if row.seen in known:
            features[at] = known[row.seen]
        else:
            missing.append((at, path))
    _compute(features, missing, engine)
    features.flush()
    with (folder / INDEX).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(astuple(row) for row, _ in images)
    return len(missing)


def _table(path: Path, rows: int, width: int) -> np.memmap[Any, np.dtype[np.float32]]:
    """Return a mapped table of zeros that has its place on disk: a mapped page without one would kill the process."""
    with path.open("wb") as file:
        write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (rows, width)})
        zeros = bytes(4 * width)
        file.writelines(zeros for _ in range(rows))
    table: np.memmap[Any, np.dtype[np.float32]] = open_memmap(path, mode="r+")
    return table


def _known(shard: Kept | None) -> dict[str, NDArray[np.float32]]:
    """Return the features of an intact shard, which stay on disk, by the digest of what was seen."""
    if shard is None or not (shard.is_intact(INDEX) and shard.is_intact(FEATURES)):
        return {}
    features = np.load(shard.folder / FEATURES, mmap_mode="r")
    return dict(zip((row.seen for row in read_index(shard.folder)), features, strict=True))


def _compute(features: NDArray[np.float32], images: Sequence[tuple[int, ImageFile]], engine: Engine) -> None:
    """Fill the rows named with the features of their images; all batches pass through one block of memory."""
    size = engine.preprocessing.size
    prepared = np.empty((engine.batch, 3, size, size), np.float32)
    for batch in _batches(images, engine.batch):
        for place, (_, path) in zip(prepared, batch, strict=False):
            engine.preprocessing.array(read_image(path), out=place)
        features[[at for at, _ in batch]] = engine(prepared[: len(batch)])


def _batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


def read_index(folder: Path) -> list[Row]:
    """Return the rows of a shard's index, in the order of its features."""
    with (folder / INDEX).open(newline="", encoding="utf-8") as file:
        return [Row(**row) for row in csv.DictReader(file)]


class FeatureSet:
    """The rows of many shards as one table; features stay on disk until they are asked for.

    Rows are in the order of (view, image), so the table does not depend on how images fell into shards.

    Attributes:
        images: Keys of the originals, (n,) str.
        labels: Class ids, (n,) int64, positions in ``classes``.
        views: Names of the views, (n,) str.
        width: Features a row.
    """

    def __init__(self, folders: Sequence[Path], classes: Sequence[str]) -> None:
        indexes = [read_index(folder) for folder in folders]
        filled = [(folder, index) for folder, index in zip(folders, indexes, strict=True) if index]
        mapped = [np.load(folder / FEATURES, mmap_mode="r") for folder, _ in filled]
        # Plain arrays over the mapped files: to index NumPy's memmap itself takes five times as long.
        self._shards = [np.asarray(shard) for shard in mapped]
        self._maps = [shard.base for shard in mapped] if sum(shard.nbytes for shard in mapped) > RESIDENT else []
        self._rows_resident = 0
        rows = [
            (row.view, row.image, row.label, shard, at)
            for shard, (_, index) in enumerate(filled)
            for at, row in enumerate(index)
        ]
        rows.sort()
        ids = {name: number for number, name in enumerate(classes)}
        self.views = np.array([row[0] for row in rows])
        self.images = np.array([row[1] for row in rows])
        self.labels = np.array([ids[row[2]] for row in rows], np.int64)
        self._shard = np.array([row[3] for row in rows], np.int64)
        self._at = np.array([row[4] for row in rows], np.int64)
        self.width = int(self._shards[0].shape[1]) if self._shards else 0

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the features of the rows named, float32 (len(indices), width), in that order."""
        out = np.empty((len(indices), self.width), np.float32)
        # Row by row: a batch has about as many shards as rows, and to pick the rows of each shard takes longer.
        for row, shard, at in zip(out, self._shard[indices].tolist(), self._at[indices].tolist(), strict=True):
            row[:] = self._shards[shard][at]
        self._release(len(indices))
        return out

    def _release(self, rows: int) -> None:
        """Give pages back once many rows were read: the system's cache keeps them, this process need not."""
        self._rows_resident += rows
        if self._rows_resident * READ_AROUND > RESIDENT:
            for mapped in self._maps:
                mapped.madvise(mmap.MADV_DONTNEED)
            self._rows_resident = 0
