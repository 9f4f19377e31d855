"""A zip archive of images, known by its digest; the embedded sample is one."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline_lib.data.embedded import SAMPLE
from pipeline_lib.data.source import Opened, Source
from pipeline_lib.errors import PipelineError
from pipeline_lib.files.archive import extract_zip
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.progress import Progress
from pipeline_lib.settings.sections import DataSettings
from pipeline_lib.stages.key import Code

NAMES = ("sample",)
PATHS = "zip archive"

_MB = 1_000_000


def place(dataset: str, downloads: Path) -> Path | None:
    """Return the absolute path of the sample or of a zip archive; None if there is none."""
    path = SAMPLE if dataset in NAMES else Path(dataset).expanduser()
    return path.resolve() if path.is_file() and zipfile.is_zipfile(path) else None


def identify(place: Path) -> Source:
    """Return the source of an archive."""
    readers = (Code(__name__, "opened"),)
    return Source(name=place.stem, kind="archive", location=str(place), fingerprint=file_sha256(place), readers=readers)


@contextmanager
def opened(source: Source, scratch: Path, data: DataSettings, downloads: Path, progress: Progress) -> Iterator[Opened]:
    """Yield what an archive holds; see `source.Reader`."""
    yield unpacked(Path(source.location), scratch, data)
    if file_sha256(Path(source.location)) != source.fingerprint:
        raise PipelineError(f"{source.location} changed while it was read; run again once nothing writes to it.")


def unpacked(archive: Path, scratch: Path, data: DataSettings) -> Opened:
    """Unpack an archive, and return what it holds.

    Raises:
        PipelineError: See `extract_zip`.
    """
    limits = {"max_bytes": data.max_unpacked_mb * _MB, "max_ratio": data.max_compression}
    encoding = extract_zip(archive, scratch, max_files=data.max_files, **limits)
    digest = file_sha256(archive)
    return Opened(scratch, True, digest, encoding, synthetic=digest == file_sha256(SAMPLE))
