"""A shard of features as it is made: ``features.npy`` and its index. ``features.table`` reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.lib.format import open_memmap, write_array_header_1_0
from numpy.typing import NDArray

from pipeline_lib.features.engine import Engine
from pipeline_lib.features.table import COLUMNS, FEATURES, SHARD_INDEX, Row, read_index
from pipeline_lib.files.table import write_table
from pipeline_lib.images.read import ImageFile, read_image
from pipeline_lib.stages.kept import Kept
from pipeline_lib.stages.result import Ref
from pipeline_lib.views.folder import ViewFolder
from pipeline_lib.views.view import CLEAN, View

T = TypeVar("T")


def rows_of(images: Ref, view: View) -> list[tuple[Row, ImageFile]]:
    """Return the images of a shard in a view, each with its file, in the order of their keys.

    Args:
        images: The shard's originals for the clean view; for any other one the view's folder in an augmented shard.
        view: How the images are seen.
    """
    if view == CLEAN:
        outputs = images.outputs()
        rows: list[tuple[Row, ImageFile]] = [
            (Row(output.path, output.sha256, _label(output.path), view.name, output.sha256), images.folder / output.path)
            for output in outputs
        ]
    else:
        drawn = ViewFolder.read(images.folder / images.prefix)
        rows = [
            (Row(row["image"], row["sha256"], _label(row["image"]), view.name, row["copy_sha256"]), file)
            for row, file in drawn.images()
        ]
    return sorted(rows, key=lambda row: row[0].image)


def _label(image: str) -> str:
    return image.split("/")[1]


def write_shard(folder: Path, images: Sequence[tuple[Row, ImageFile]], engine: Engine, previous: Kept | None = None) -> int:
    """Write the features of images, (n, width), in the order given, and their noise; return how many were new.

    ``previous`` is a shard of the same backbone: if it is what was recorded, rows of images seen there are copied.
    Memory holds one batch at a time, whatever the shard's size.
    """
    features = _table(folder / FEATURES, len(images), engine.width, engine.dtype)
    known = _known(previous)
    noise: dict[int, str] = {}
    missing = []
    for at, (row, path) in enumerate(images):
        if row.seen in known:
            features[at], noise[at] = known[row.seen]
        else:
            missing.append((at, path))
    noise |= _compute(features, missing, engine)
    features.flush()
    write_table(folder / SHARD_INDEX, COLUMNS, (astuple(replace(row, noise=noise[at])) for at, (row, _) in enumerate(images)))
    return len(missing)


def _table(path: Path, rows: int, width: int, dtype: np.dtype[Any]) -> np.memmap[Any, Any]:
    """Return a mapped table of zeros that has its place on disk: a mapped page without one would kill the process."""
    with path.open("wb") as file:
        write_array_header_1_0(file, {"descr": dtype.str, "fortran_order": False, "shape": (rows, width)})
        zeros = bytes(dtype.itemsize * width)
        file.writelines(zeros for _ in range(rows))
    table: np.memmap[Any, Any] = open_memmap(path, mode="r+")
    return table


def _known(shard: Kept | None) -> dict[str, tuple[NDArray[Any], str]]:
    """Return the features of an intact shard, which stay on disk, and the noise, by the digest of what was seen."""
    if shard is None or not (shard.is_intact(SHARD_INDEX) and shard.is_intact(FEATURES)):
        return {}
    features = np.load(shard.folder / FEATURES, mmap_mode="r")
    return {row.seen: (values, row.noise) for row, values in zip(read_index(shard.folder), features, strict=True)}


def _compute(features: NDArray[Any], images: Sequence[tuple[int, ImageFile]], engine: Engine) -> dict[int, str]:
    """Fill the rows named with the features of their images; return the noise of each as the index has it.

    All batches pass through one block of memory.
    """
    size = engine.preprocessing.size
    prepared = np.empty((engine.batch, 3, size, size), np.float32)
    noise = {}
    for batch in _batches(images, engine.batch):
        for place, (at, path) in zip(prepared, batch, strict=False):
            estimate = engine.preprocessing.prepare(read_image(path), out=place).noise
            noise[at] = "" if estimate is None else f"{estimate:.2f}"
        features[[at for at, _ in batch]] = engine(prepared[: len(batch)])
    return noise


def _batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
