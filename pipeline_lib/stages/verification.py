"""A check of kept results by their digests, apart from any run: ``garbage verify``."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from pipeline_lib.stages.publishing import MANIFEST
from pipeline_lib.stages.result import damage, read_manifest
from pipeline_lib.stages.store import Store

DAY = 24 * 60 * 60  # seconds
CHECKED = ".checked"
"""Beside the results of a stage: an empty file for each, whose date is that of the last check that found it whole."""


class Checked(NamedTuple):
    """A result that was checked: its folder below the artifacts root, recorded bytes, and what is wrong (empty: nothing)."""

    path: str
    bytes: int
    damage: str


def check_results(store: Store, older_than: float = 0.0) -> Iterator[Checked]:
    """Compare every output of every kept result with its recorded digest; yield the results, longest unchecked first.

    ``older_than`` leaves out what was found whole, or was computed, less than so many days ago. Nothing is removed.
    """
    latest = time.time() - older_than * DAY
    ages = {folder: _last_checked(folder) for folder in store.root.glob("stages/*/*") if _is_result(folder)}
    folders = sorted((folder for folder, age in ages.items() if age <= latest), key=lambda folder: (ages[folder], folder))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for folder, found in zip(folders, pool.map(_check, folders), strict=True):
            if folder.exists():  # else a run has removed it meanwhile
                yield Checked(folder.relative_to(store.root).as_posix(), *found)


def _is_result(folder: Path) -> bool:
    return "." not in folder.name and folder.is_dir()  # no note, and neither unfinished nor replaced


def _last_checked(folder: Path) -> float:
    """Return when a result was last known to be whole, in seconds since 1970; 0 if it has lost its manifest."""
    if not (folder / MANIFEST).exists():
        return 0.0
    return max(path.stat().st_mtime for path in (folder / MANIFEST, _mark(folder)) if path.exists())


def _mark(folder: Path) -> Path:
    return folder.parent / CHECKED / folder.name


def _check(folder: Path) -> tuple[int, str]:
    """Return the bytes of a result and what is wrong with it; remember when nothing is."""
    found = damage(folder, "digests")
    if not found:
        _mark(folder).parent.mkdir(exist_ok=True)
        _mark(folder).touch()
    try:
        return sum(output.bytes for output in read_manifest(folder).outputs), found
    except (OSError, ValueError):
        return 0, found
