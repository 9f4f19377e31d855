"""The dataset stage of ``lenet-mnist``: MNIST, the embedded digits, IDX files or an image folder, as arrays of 28 x 28."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline_lib.data import sources
from pipeline_lib.data.dataset import build_dataset
from pipeline_lib.data.decisions import Decisions
from pipeline_lib.data.imagefolder import set_test_aside
from pipeline_lib.data.layout import SET_ASIDE
from pipeline_lib.data.sources import Source
from pipeline_lib.errors import OutOfReachError, PipelineError
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.images.prepare import grey
from pipeline_lib.images.read import read_image
from pipeline_lib.mnist.arrays import SIDE, Split, write_split
from pipeline_lib.mnist.idx import read_idx
from pipeline_lib.mnist.source import FINGERPRINT, ITEMS, fetch_mnist, find_files, has_mnist
from pipeline_lib.progress import Progress, ignore_progress
from pipeline_lib.settings.sections import DataSettings

NAMES = ("mnist", "digits")
"""Names that a dataset may have instead of a path."""

"""Called with what is done, of how much (None if that is not known), and of what."""

WHAT = {
    "mnist": "MNIST, the official files: 70,000 handwritten digits",
    "digits": "the 1,797 handwritten digits that scikit-learn ships (UCI, 8 x 8 pixels), scaled to 28 x 28; this is not MNIST",
    "idx": "IDX files of a folder",
    "folder": "an image folder, as grey images of 28 x 28",
    "archive": "a zip archive of images, as grey images of 28 x 28",
}
"""What a dataset is, in words, by the kind of its source."""
_IMAGES = ".images"

_Read = tuple[dict[str, Split], list[str], dict[str, Any]]
"""Splits by name, classes, and what else the summary says."""

_log = logging.getLogger(__name__)


def resolve(dataset: str | None, *, downloads: Path, fetch: bool) -> Source:
    """Find a dataset by name or path.

    Args:
        dataset: ``mnist``, ``digits``, the path of a folder with IDX files or of an image folder or zip; None for MNIST if it
            can be had, else the embedded digits.
        downloads: Folder of earlier downloads.
        fetch: Whether MNIST may be downloaded to find out if it can be; without, it is believed.

    Raises:
        PipelineError: There is no such name or path, or it holds no dataset.
    """
    if dataset is None:
        return _mnist_or_digits(downloads, fetch)
    if dataset == "mnist":
        return Source(name="mnist", kind="mnist", location="", fingerprint=FINGERPRINT)
    if dataset == "digits":
        return Source(name="digits", kind="digits", location="", fingerprint="digits")
    path = Path(dataset).expanduser()
    files = find_files(path)
    if files:
        digests = [f"{split}-{kind}:{file_sha256(file)}" for (split, kind), file in sorted(files.items())]
        return Source(name=path.resolve().name, kind="idx", location=str(path.resolve()), fingerprint=" ".join(digests))
    return sources.resolve_path(dataset, NAMES)


def _mnist_or_digits(downloads: Path, fetch: bool) -> Source:
    if fetch and not has_mnist(downloads / "mnist"):
        _log.info("MNIST is downloaded into %s", downloads)
        try:
            fetch_mnist(downloads / "mnist")
        except OutOfReachError as error:
            _log.warning("%s NOT MNIST: the small embedded dataset `digits` is used instead.", error)
            return resolve("digits", downloads=downloads, fetch=False)
    return resolve("mnist", downloads=downloads, fetch=False)


def build_arrays(
    folder: Path,
    source: Source,
    data: DataSettings,
    *,
    downloads: Path,
    decisions: Decisions = Decisions(),  # noqa: B008  # immutable
    progress: Progress = ignore_progress,
) -> dict[str, Any]:
    """Write both splits of a dataset as arrays (see `arrays.write_split`) into a folder.

    Args:
        folder: Where the result goes.
        source: What to bring, as `resolve` found it.
        data: Limits of an image folder, and the share that becomes test where there is no test split.
        downloads: Folder in which MNIST is kept for the next time.
        decisions: What people decided about the labels of an image folder; they change train alone.
        progress: Called while bytes arrive and images are looked at.

    Returns:
        ``name``, ``kind``, ``what`` (in words), ``classes``, ``counts`` (split -> class -> images), ``test_split`` (``given``
        or ``set aside``) and ``set_aside`` (broken images of a folder).

    Raises:
        PipelineError: The bytes cannot be had, are damaged, or are no dataset.
    """
    readers: dict[str, Callable[[], _Read]] = {
        "mnist": lambda: _read_mnist(downloads / "mnist", progress),
        "idx": lambda: _read_idx_folder(Path(source.location)),
        "digits": lambda: _read_digits(data.test_share),
    }
    build = partial(build_dataset, source=source, data=data, downloads=downloads, decisions=decisions, progress=progress)
    read = readers.get(source.kind, lambda: _read_images(folder, build))
    splits, classes, found = read()
    for name, split in splits.items():
        write_split(folder, name, split)
    counts = {
        name: dict(zip(classes, np.bincount(split.labels, minlength=len(classes)).tolist(), strict=True))
        for name, split in splits.items()
    }
    told = {"name": source.name, "kind": source.kind, "what": WHAT[source.kind], "classes": classes, "counts": counts}
    return told | {"test_split": "given", "set_aside": 0} | found


def _read_mnist(downloads: Path, progress: Progress) -> _Read:
    fetch_mnist(downloads, progress)
    return _read_idx_folder(downloads)


def _read_idx_folder(folder: Path) -> _Read:
    files = find_files(folder)
    missing = [item.name for part, item in ITEMS.items() if part not in files]
    if missing:
        raise PipelineError(f"{folder} lacks {', '.join(missing)}; a dataset of IDX files has all four, plain or as .gz.")
    arrays = {name: _pair(files[name, "images"], files[name, "labels"]) for name in ("train", "test")}
    classes = [str(number) for number in range(max(int(labels.max()) for _, labels in arrays.values()) + 1)]
    return {name: _numbered(name, *pair, classes) for name, pair in arrays.items()}, classes, {}


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


def _numbered(split: str, images: NDArray[np.uint8], labels: NDArray[np.int64], classes: Sequence[str]) -> Split:
    """Return a split whose images are named by their position, which keeps neighbours together."""
    digits = len(str(len(labels) - 1))
    keys = [f"{split}/{classes[label]}/{number:0{digits}d}" for number, label in enumerate(labels.tolist())]
    return Split(images, labels, keys)


def _read_digits(test_share: float) -> _Read:
    """Return scikit-learn's digits; the last ones of each class become test: one writer's digits are next to each other."""
    from sklearn.datasets import load_digits  # slow to import, and other datasets do without

    bunch = load_digits()
    images = np.stack([_enlarged(image) for image in bunch.images])
    labels = bunch.target.astype(np.int64)
    sides = [set_test_aside(np.flatnonzero(labels == label).tolist(), test_share) for label in range(10)]
    rows = {name: np.sort(np.concatenate([side[at] for side in sides])) for at, name in enumerate(("train", "test"))}
    classes = [str(number) for number in range(10)]
    splits = {name: _numbered(name, images[chosen], labels[chosen], classes) for name, chosen in rows.items()}
    return splits, classes, {"test_split": "set aside"}


def _enlarged(image: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return an 8 x 8 image of values 0..16 at 28 x 28 and 0..255."""
    small = Image.fromarray(np.rint(image * (255 / 16)).astype(np.uint8))
    return np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _read_images(folder: Path, build: Callable[[Path], dict[str, Any]]) -> _Read:
    """Return an image folder or archive, laid out and checked as in the other flow, then made small and grey."""
    laid_out = folder / _IMAGES
    try:
        told = build(laid_out)
        (laid_out / SET_ASIDE).replace(folder / SET_ASIDE)
        splits = {name: _grey_split(laid_out, name, told["classes"]) for name in ("train", "test")}
    finally:
        shutil.rmtree(laid_out, ignore_errors=True)
    found = {"test_split": told["test_split"], "set_aside": told["set_aside"]["count"], "labels": told["labels"]}
    return splits, told["classes"], found


def _grey_split(root: Path, split: str, classes: Sequence[str]) -> Split:
    files = [(label, path) for label, name in enumerate(classes) for path in sorted((root / split / name).iterdir())]
    images = np.stack([grey(read_image(path), SIDE) for _, path in files])
    labels = np.array([label for label, _ in files], np.int64)
    return Split(images, labels, [path.relative_to(root).as_posix() for _, path in files])
