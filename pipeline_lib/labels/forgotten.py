"""Which photographs are to be forgotten: those that are named, and their copies; noted among the decisions on a dataset."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from pipeline_lib.audit.findings import IMAGES
from pipeline_lib.data.decisions import FORGET
from pipeline_lib.data.imagefolder import ImageFolder, scan
from pipeline_lib.data.labels_file import DIGEST, labels_file, read_decisions
from pipeline_lib.errors import PipelineError
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.files.table import read_table
from pipeline_lib.labels.record import digest_of, record

NAMED, PIXELS, NEAR = "named", "the same pixels", "near-duplicate"
"""Why a photograph is forgotten: it was named, or the audit found it to be a copy of one that was."""


class Found(NamedTuple):
    """A photograph that is to be forgotten.

    Attributes:
        sha256: Digest of its bytes.
        why: `NAMED`, `PIXELS` or `NEAR`; copies with the same bytes are named with it.
        places: Where it is: paths in the dataset's folder, or keys in the results that an audit has looked at.
    """

    sha256: str
    why: str
    places: tuple[str, ...]


def named(photographs: Sequence[str], place: Path) -> set[str]:
    """Return the digests of photographs that are named by path or digest, and of those that are noted as forgotten already.

    A path to nothing counts as one that was removed earlier, if photographs of the dataset have been forgotten before: so a
    command that was interrupted can be given again.

    Raises:
        PipelineError: There is no such file, or nothing is named and nothing is noted.
    """
    earlier = set(read_decisions(labels_file(place)).forgotten)
    there = [each for each in photographs if not earlier or DIGEST.fullmatch(each.lower()) or Path(each).expanduser().exists()]
    digests = {digest_of(each) for each in there} | earlier
    if not digests:
        raise PipelineError("Nothing is to be forgotten: name a photograph by its path or its sha256.")
    return digests


def with_copies(root: Path, place: Path, digests: Collection[str], *, near: bool) -> list[Found]:
    """Return photographs and their copies, as the audits whose results are kept have found them, the named ones first.

    Args:
        root: The artifacts root.
        place: Folder or archive of the dataset.
        digests: sha256 of the photographs that are named.
        near: Whether copies count that do not have the same pixels.
    """
    why: dict[str, str] = dict.fromkeys(digests, NAMED)
    keys: dict[str, set[str]] = {}
    for folder in sorted((root / "stages" / "audit").glob("*")):
        if "." not in folder.name and (folder / IMAGES).exists():
            _add_copies(read_table(folder / IMAGES), why, keys, near=near)
    files = _files_of(place, why) if place.is_dir() else keys
    found = [Found(digest, reason, tuple(sorted(files.get(digest, ())))) for digest, reason in why.items()]
    return sorted(found, key=lambda each: ([NAMED, PIXELS, NEAR].index(each.why), each.places, each.sha256))


def _add_copies(rows: Sequence[Mapping[str, str]], why: dict[str, str], keys: dict[str, set[str]], *, near: bool) -> None:
    """Add what an audit holds for copies of photographs that are named, and the keys of all of them."""
    own = [row for row in rows if why.get(row["sha256"]) == NAMED]
    pixels, groups = {row["pixels"] for row in own}, {row["group"] for row in own}
    for row in rows:
        if row["pixels"] in pixels:
            why.setdefault(row["sha256"], PIXELS)
        elif near and row["group"] in groups:
            why.setdefault(row["sha256"], NEAR)
        if row["sha256"] in why:
            keys.setdefault(row["sha256"], set()).add(f"{row['split']}/{row['class']}/{row['name']}")


def _files_of(place: Path, digests: Collection[str]) -> dict[str, set[str]]:
    """Return the paths of a folder's photographs with these digests."""
    files: dict[str, set[str]] = {}
    paths = scan(place).files
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, digest in zip(paths, pool.map(_digest, paths), strict=True):
            if digest in digests:
                files.setdefault(digest, set()).add(str(path))
    return files


def _digest(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError:
        return ""  # the next run sets it aside and says why


def check(root: Path, place: Path, found: Sequence[Found]) -> None:
    """Refuse what is in no dataset, and to leave a class of a folder without images, before anything is removed.

    Raises:
        PipelineError: A photograph is unknown, or a class would lose all of train or of test.
    """
    noted = read_decisions(labels_file(place)).forgotten
    looked_at = place.is_dir() or any((root / "stages" / "audit").glob(f"*/{IMAGES}"))
    if looked_at and (unknown := [each.sha256 for each in found if not each.places and each.sha256 not in noted]):
        raise PipelineError(f"No photograph of {place} has the sha256 {unknown[0]}; garbage lineage says where one is.")
    if not place.is_dir():
        return
    gone = {path for each in found for path in each.places}
    folder: ImageFolder = scan(place)
    for split, classes in (("train", folder.train), ("test", folder.test or {})):
        for name, paths in classes.items():
            if all(str(path) in gone for path in paths):
                raise PipelineError(f"Every image of {split}/{name} would be forgotten; add others, or remove the class first.")


def note(place: Path, found: Sequence[Found]) -> Path:
    """Note the digests of photographs among the decisions on a dataset, so that no later run reads them; return the file."""
    file = labels_file(place)
    record(file, [each.sha256 for each in found], FORGET)
    return file


def remove_files(place: Path, found: Sequence[Found]) -> int:
    """Remove photographs from a dataset's folder, and return how many files; an archive is left as it is."""
    paths = [Path(path) for each in found for path in each.places] if place.is_dir() else []
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)
