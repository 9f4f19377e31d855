"""A folder of images, known by the paths and contents of its files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from pipeline_lib.data.imagefolder import ImageFolder, scan
from pipeline_lib.data.source import Opened, Source
from pipeline_lib.errors import PipelineError
from pipeline_lib.progress import Progress
from pipeline_lib.settings.sections import DataSettings
from pipeline_lib.stages.key import Code

NAMES = ()
PATHS = "folder"


def place(dataset: str, downloads: Path) -> Path | None:
    """Return the absolute path of a folder; None if there is none."""
    path = Path(dataset).expanduser()
    return path.resolve() if dataset and path.is_dir() else None


def identify(place: Path) -> Source:
    """Return the source of a folder; PipelineError if it is no dataset (see `imagefolder.scan`)."""
    readers = (Code(__name__, "opened"),)
    return Source(name=place.name, kind="folder", location=str(place), fingerprint=_fingerprint(scan(place)), readers=readers)


@contextmanager
def opened(source: Source, scratch: Path, data: DataSettings, downloads: Path, progress: Progress) -> Iterator[Opened]:
    """Yield the folder as it is; see `source.Reader`."""
    yield Opened(Path(source.location))
    if _fingerprint(scan(Path(source.location))) != source.fingerprint:
        raise PipelineError(f"{source.location} changed while it was read; run again once nothing writes to it.")


def _fingerprint(folder: ImageFolder) -> str:
    """Return a digest over the relative paths and contents of a dataset's files."""
    files = folder.files
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = pool.map(_digest_of_file, files)
        lines = [
            [os.fsencode(path.relative_to(folder.root)).hex(), digest] for path, digest in zip(files, digests, strict=True)
        ]
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()


def _digest_of_file(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"  # a state of the folder like any other; reading the image reports it
