"""A folder with four IDX files, known by their digests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import PipelineError
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.mnist.arrays import SIDE
from pipeline_lib.mnist.idx import read_idx
from pipeline_lib.mnist.numbered import numbered
from pipeline_lib.mnist.official import ITEMS, find_files
from pipeline_lib.mnist.source import ArraySource, Given, Read
from pipeline_lib.stages.key import Code

NAMES = ()
WHAT = "IDX files of a folder"


def find(dataset: str, downloads: Path) -> ArraySource | None:
    """Return the source of a folder with IDX files; None if there are none."""
    path = Path(dataset).expanduser()
    files = find_files(path)
    if not files:
        return None
    fingerprint = " ".join(f"{split}-{kind}:{file_sha256(file)}" for (split, kind), file in sorted(files.items()))
    place, readers = path.resolve(), (Code(__name__, "read"),)
    return ArraySource(
        name=place.name, kind="idx", location=str(place), fingerprint=fingerprint, readers=readers, title=place.name, what=WHAT
    )


def read(given: Given) -> Read:
    """Return the dataset of the source's folder."""
    return read_folder(Path(given.source.location))


def read_folder(folder: Path) -> Read:
    """Return the dataset of a folder; PipelineError if files are missing or do not fit together."""
    files = find_files(folder)
    missing = [item.name for part, item in ITEMS.items() if part not in files]
    if missing:
        raise PipelineError(f"{folder} lacks {', '.join(missing)}; a dataset of IDX files has all four, plain or as .gz.")
    arrays = {name: _pair(files[name, "images"], files[name, "labels"]) for name in ("train", "test")}
    classes = [str(number) for number in range(max(int(labels.max()) for _, labels in arrays.values()) + 1)]
    return Read({name: numbered(name, *pair, classes) for name, pair in arrays.items()}, classes, {})


def _pair(images: Path, labels: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    pixels, ids = read_idx(images, 3), read_idx(labels, 1)
    if len(pixels) != len(ids):
        raise PipelineError(f"{images} holds {len(pixels):,} images but {labels} {len(ids):,} labels; download both again.")
    if not len(ids) or pixels.shape[1:] != (SIDE, SIDE):
        raise PipelineError(
            f"{images} holds {len(pixels):,} images of {pixels.shape[1]} x {pixels.shape[2]} pixels; "
            f"LeNet-5 needs one or more of {SIDE} x {SIDE}."
        )
    return pixels, ids.astype(np.int64)
