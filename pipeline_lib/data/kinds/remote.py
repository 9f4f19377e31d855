"""A named dataset that is downloaded as a zip archive, known by what its server says about the version behind its address."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from pipeline_lib.data.kinds import archive
from pipeline_lib.data.source import Opened, Source
from pipeline_lib.errors import OutOfReachError, PipelineError
from pipeline_lib.files.fetch import Validators, ask, download, first_of, validators_of
from pipeline_lib.progress import Progress
from pipeline_lib.settings.sections import DataSettings
from pipeline_lib.stages.key import Code

ADDRESSES: dict[str, tuple[str, ...]] = {
    "data_en": ("https://ascend-professional-construction-dataset.obs.cn-north-4.myhuaweicloud.com/MindStudio-pc/data_en.zip",),
}
"""The official address of each, then its mirrors, tried in this order."""

NAMES = tuple(ADDRESSES)
PATHS = ""

_MB = 1_000_000

_log = logging.getLogger(__name__)


def place(dataset: str, downloads: Path) -> Path | None:
    """Return where the archive of a named dataset is kept, be it there already or not; None for any other name."""
    return downloads / f"{dataset}.zip" if dataset in NAMES else None


def identify(place: Path) -> Source:
    """Return the source behind a dataset's address, or the archive of an earlier download, with a warning.

    The addresses can be replaced by the environment variable ``GARBAGE_<NAME>_URL`` (one or several, separated by spaces).

    Raises:
        OutOfReachError: No address answers, and nothing was downloaded earlier.
    """
    name = place.stem
    variable = f"GARBAGE_{name.upper()}_URL"
    urls = os.environ.get(variable, "").split() or ADDRESSES[name]
    try:
        validators = first_of([partial(ask, url) for url in urls])
    except OutOfReachError as error:
        if not place.is_file():
            raise OutOfReachError(
                f"The dataset {name} is out of reach ({error}); download it by hand and give --dataset PATH, "
                f"or set {variable} to an address that answers."
            ) from error
        _log.warning("The dataset %s is out of reach (%s); the archive downloaded earlier is used: %s", name, error, place)
        return _downloaded(name, place)
    if validators.etag is None and validators.last_modified is None:
        _log.warning(
            "%s states neither ETag nor Last-Modified: a change to content of the same length is not noticed", validators.url
        )
    return _source(name, validators)


def _downloaded(name: str, place: Path) -> Source:
    """A downloaded archive keeps the identity of its download, so a night without network recomputes nothing."""
    validators = validators_of(place)
    return archive.identify(place.resolve()) if validators is None else _source(name, validators)


def _source(name: str, validators: Validators) -> Source:
    readers = (Code(__name__, "opened"),)
    return Source(name=name, kind="remote", location=validators.url, fingerprint=_fingerprint(validators), readers=readers)


def _fingerprint(validators: Validators) -> str:
    """Return a digest over an address and what its server says about the version behind it."""
    said = [validators.url, validators.etag, validators.last_modified, validators.length]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


@contextmanager
def opened(source: Source, scratch: Path, data: DataSettings, downloads: Path, progress: Progress) -> Iterator[Opened]:
    """Yield what the archive holds, downloaded unless that version is there; see `source.Reader`."""
    place = downloads / f"{source.name}.zip"
    known = validators_of(place)
    if known is None or _fingerprint(known) != source.fingerprint:
        download(source.location, place, max_bytes=data.max_download_mb * _MB, progress=progress)
    if not zipfile.is_zipfile(place):
        place.unlink()
        raise PipelineError(f"{source.location} sends no zip archive (perhaps a login page); open it in a browser to see.")
    yield archive.unpacked(place, scratch, data)
