"""A patch: photographs and what somebody says they show, from the page that learns. Nothing in it is trusted."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from pipeline_lib.data.decisions import KEEP, REMOVE
from pipeline_lib.errors import PipelineError, shortened
from pipeline_lib.files.archive import extract_zip
from pipeline_lib.files.clutter import is_clutter
from pipeline_lib.files.description import first_fault
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.images.read import ImageProblem, read_image
from pipeline_lib.settings.sections import DataSettings

LISTED = "labels.json"

MOST = 10_000
"""Photographs of a patch."""

_LONGEST = 200  # bytes of a folder's name: disks take 255, and later stages add to it
_FILE = re.compile(r"photographs/([0-9a-f]{64})(\.[a-z0-9]{1,5})?")
_RESERVED = {REMOVE, KEEP, "train", "test"}
_NO_FOLDER = re.compile(r'[/\\:*?"<>|]')


class Taught(NamedTuple):
    """A photograph of a patch.

    Attributes:
        path: Where it was unpacked.
        sha256: Digest of its bytes.
        label: The class that it shows.
    """

    path: Path
    sha256: str
    label: str


class _Photograph(BaseModel):
    file: str
    sha256: str
    label: str = Field(min_length=1, max_length=80)


class _Labels(BaseModel):
    version: Literal[1]
    photographs: list[_Photograph] = Field(min_length=1, max_length=MOST)


def read_patch(archive: Path, folder: Path) -> list[Taught]:
    """Unpack a patch and return its photographs, in the order of its list.

    Args:
        archive: The zip file.
        folder: A new or empty folder to unpack it into.

    Raises:
        PipelineError: It is no patch or is damaged, a photograph cannot be used, or a label can be no class.
    """
    limits = DataSettings()
    extract_zip(
        archive,
        folder,
        max_files=MOST + 10,
        max_bytes=limits.max_unpacked_mb * 1_000_000,
        max_ratio=limits.max_compression,
    )
    try:
        listed = _Labels.model_validate_json((folder / LISTED).read_bytes()).photographs
    except FileNotFoundError as error:
        raise PipelineError(f"{archive} is no patch: {LISTED} is missing; download one from the page that learns") from error
    except ValidationError as error:
        raise PipelineError(f"{archive} is no patch: {LISTED}: {first_fault(error)}; download it again") from error
    taught: dict[str, Taught] = {}
    for each in listed:
        one = _checked(archive, folder, each, limits.max_megapixels)
        earlier = taught.setdefault(one.sha256, one)
        if earlier.label != one.label:
            raise PipelineError(f"{archive} says two things of {each.file}: {earlier.label!r} and {one.label!r}; keep one")
    return [*taught.values()]


def _checked(archive: Path, folder: Path, listed: _Photograph, max_megapixels: float) -> Taught:
    name = _FILE.fullmatch(listed.file)
    path = folder / listed.file
    if not name or not path.is_file():
        raise PipelineError(f"{archive} lists {shortened(listed.file)!r}, which is no photograph of it; download it again")
    digest = file_sha256(path)
    if not digest == listed.sha256 == name[1]:
        raise PipelineError(f"{archive}: {listed.file} has the sha256 {digest[:12]}..., not the one stated; download it again")
    try:
        read_image(path, max_megapixels)
    except ImageProblem as problem:
        raise PipelineError(f"{archive}: {listed.file} cannot be used: {problem}; leave it out") from problem
    label = unicodedata.normalize("NFC", listed.label)
    if fault := _fault_of_label(label):
        raise PipelineError(f"{archive}: {shortened(label)!r} can be no class: {fault}; give it another name on the page")
    return Taught(path, digest, label)


def _fault_of_label(label: str) -> str:
    """Return what keeps a name from being that of a class's folder; empty if nothing does."""
    if len(label.encode()) > _LONGEST:
        return f"it has more than {_LONGEST} bytes"
    if label != label.strip() or label.endswith("."):
        return "it begins or ends with a blank or ends with a dot"
    if is_clutter(label):
        return "folders called so are passed over"
    if _NO_FOLDER.search(label) or any(unicodedata.category(character) in ("Cc", "Cs") for character in label):
        return "no folder can be called so everywhere"
    if label.casefold() in _RESERVED:
        return "the name has a meaning of its own"
    return ""
