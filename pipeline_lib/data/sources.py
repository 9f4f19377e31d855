"""Where a dataset's bytes come from, and what identifies them before they are downloaded or read."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipeline_lib.data.decisions import Decisions, labels_file, read_decisions
from pipeline_lib.data.embedded import SAMPLE
from pipeline_lib.data.imagefolder import ImageFolder, scan
from pipeline_lib.errors import OutOfReachError, PipelineError, nearest
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.files.fetch import Validators, ask, first_of, validators_of

ADDRESSES: dict[str, tuple[str, ...]] = {
    "data_en": ("https://ascend-professional-construction-dataset.obs.cn-north-4.myhuaweicloud.com/MindStudio-pc/data_en.zip",),
}
"""Named datasets that are downloaded: the official address, then its mirrors, tried in this order."""

NAMES = ("sample", *ADDRESSES)
"""Names that a dataset may have instead of a path."""

_log = logging.getLogger(__name__)


class Source(BaseModel):
    """A dataset that was found but not read yet.

    Attributes:
        name: What people call it: a name of `NAMES`, or the last part of the path.
        kind: How its bytes are got.
        location: Address of a remote dataset, absolute path of an archive or folder, "" for what is embedded or has several.
        fingerprint: Identity of the content. Two sources of one fingerprint hold the same images.
        decisions: What people decided about the labels; an input of its own, so that a changed decision explains itself.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Literal["remote", "archive", "folder", "mnist", "digits", "idx"]
    location: str
    fingerprint: str
    decisions: Decisions = Decisions()


def resolve(dataset: str, *, downloads: Path) -> Source:
    """Find a dataset by name or path.

    A name goes before a folder of the same name in the working directory; ``./data_en`` means the folder. The addresses of
    a remote dataset can be replaced by the environment variable ``GARBAGE_<NAME>_URL`` (one or several, separated by
    spaces). When none of them answers, the archive of an earlier download serves, with a warning.

    Args:
        dataset: ``sample``, ``data_en``, or the path of a folder or zip archive.
        downloads: Folder of earlier downloads.

    Raises:
        PipelineError: There is no such name or path, it is neither a folder nor a zip archive, a folder is no dataset
            (see `imagefolder.scan`), or a remote dataset is out of reach and was never downloaded.
    """
    if dataset == "sample":
        return resolve_path(str(SAMPLE))
    if dataset in ADDRESSES:
        archive = downloads / f"{dataset}.zip"
        return _resolve_remote(dataset, archive).model_copy(update={"decisions": read_decisions(labels_file(archive))})
    return resolve_path(dataset)


def place_of(dataset: str, *, downloads: Path) -> Path:
    """Return the folder or archive that decisions on the labels of a dataset are about; an archive may not be there yet.

    Raises:
        PipelineError: The dataset is embedded and takes no decisions, or there is no such name or path.
    """
    if dataset == "sample":
        raise PipelineError("The embedded sample takes no decisions on labels; name a dataset of your own.")
    if dataset in ADDRESSES:
        return downloads / f"{dataset}.zip"
    return _existing(dataset, NAMES)


def folder_fingerprint(folder: ImageFolder) -> str:
    """Return a digest over the relative paths and contents of a dataset's files."""
    files = folder.files
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = pool.map(_digest_of_file, files)
        lines = [
            [os.fsencode(path.relative_to(folder.root)).hex(), digest] for path, digest in zip(files, digests, strict=True)
        ]
    return _digest(lines)


def remote_fingerprint(validators: Validators) -> str:
    """Return a digest over an address and what its server says about the version behind it."""
    return _digest([validators.url, validators.etag, validators.last_modified, validators.length])


def resolve_path(dataset: str, names: Sequence[str] = NAMES) -> Source:
    """Find a dataset by the path of a folder or zip archive; ``names`` are the names that are allowed too.

    Raises:
        PipelineError: See `resolve`.
    """
    path = _existing(dataset, names)
    decisions = read_decisions(labels_file(path))
    if path.is_dir():
        fingerprint = folder_fingerprint(scan(path))
        return Source(name=path.name, kind="folder", location=str(path), fingerprint=fingerprint, decisions=decisions)
    if not path.is_file() or not zipfile.is_zipfile(path):
        raise PipelineError(f"{path} is neither a folder nor a zip archive; give one with train/<class>/ in it.")
    return Source(name=path.stem, kind="archive", location=str(path), fingerprint=file_sha256(path), decisions=decisions)


def _existing(dataset: str, names: Sequence[str]) -> Path:
    """Return the absolute path of a dataset."""
    path = Path(dataset).expanduser()
    if not dataset or not path.exists():
        near = nearest(dataset, names)
        hint = f"did you mean {near}?" if near else f"give {', '.join(names)}, or the path of a folder or zip archive."
        raise PipelineError(f"There is no dataset {dataset!r}: {hint}")
    return path.resolve()


def _resolve_remote(name: str, archive: Path) -> Source:
    variable = f"GARBAGE_{name.upper()}_URL"
    urls = os.environ.get(variable, "").split() or ADDRESSES[name]
    try:
        validators = first_of([partial(ask, url) for url in urls])
    except OutOfReachError as error:
        if not archive.is_file():
            raise OutOfReachError(
                f"The dataset {name} is out of reach ({error}); download it by hand and give --dataset PATH, "
                f"or set {variable} to an address that answers."
            ) from error
        _log.warning("The dataset %s is out of reach (%s); the archive downloaded earlier is used: %s", name, error, archive)
        return _downloaded(name, archive)
    if validators.etag is None and validators.last_modified is None:
        _log.warning(
            "%s states neither ETag nor Last-Modified: a change to content of the same length is not noticed", validators.url
        )
    return Source(name=name, kind="remote", location=validators.url, fingerprint=remote_fingerprint(validators))


def _downloaded(name: str, archive: Path) -> Source:
    """A downloaded archive keeps the identity of its download, so a night without network recomputes nothing."""
    validators = validators_of(archive)
    if validators is None:
        return Source(name=name, kind="archive", location=str(archive.resolve()), fingerprint=file_sha256(archive))
    return Source(name=name, kind="remote", location=validators.url, fingerprint=remote_fingerprint(validators))


def _digest_of_file(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"  # a state of the folder like any other; reading the image reports it


def _digest(value: Iterable[object]) -> str:
    return hashlib.sha256(json.dumps(list(value)).encode()).hexdigest()
