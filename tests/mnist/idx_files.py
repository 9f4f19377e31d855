"""IDX files of a few tiny digits, and the bytes of any IDX file."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAMES = {
    ("train", "images"): "train-images-idx3-ubyte",
    ("train", "labels"): "train-labels-idx1-ubyte",
    ("test", "images"): "t10k-images-idx3-ubyte",
    ("test", "labels"): "t10k-labels-idx1-ubyte",
}


def idx_bytes(array: NDArray[Any], magic: int | None = None, count: int | None = None) -> bytes:
    """The bytes of an IDX file, with another magic number or count in its header if asked."""
    shape = (len(array) if count is None else count, *array.shape[1:])
    return struct.pack(f">{1 + array.ndim}I", magic or 0x0800 + array.ndim, *shape) + array.astype(np.uint8).tobytes()


def digit_arrays(split: str, count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Images (count, 28, 28) whose first pixel is their place, and labels that count up to 9 and begin anew."""
    images = np.random.default_rng(len(split)).integers(0, 256, (count, 28, 28), dtype=np.uint8)
    images[:, 0, 0] = np.arange(count)
    return images, (np.arange(count) % 10).astype(np.uint8)


def write_idx_folder(folder: Path, *, packed: bool = False, train: int = 30, test: int = 10) -> Path:
    """Write the four files of a tiny dataset."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", train), ("test", test)):
        for kind, array in zip(("images", "labels"), digit_arrays(split, count), strict=True):
            name, content = NAMES[split, kind], idx_bytes(array)
            (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)
    return folder
