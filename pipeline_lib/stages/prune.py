"""Which kept results nobody needs any more, what they take, and how they are removed: ``garbage prune``."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from pipeline_lib.stages.champion import champions_in_use, needed_by_champions
from pipeline_lib.stages.history import Used, forget, out_of_use, pinned, read_history
from pipeline_lib.stages.publishing import MANIFEST
from pipeline_lib.stages.result import read_manifest
from pipeline_lib.stages.sharing import GLIMPSED, PARTS, TURNS
from pipeline_lib.stages.store import Store
from pipeline_lib.stages.transfer import FETCHING
from pipeline_lib.stages.verification import CHECKED, DAY

_REMOVED, _REPLACED = ".removed", ".old"
_OF_A_RESULT = re.compile(r"(\w+)-([0-9a-f]{16})")
"""What locks and Prefect's records are called: by the stage and the key."""

LEFTOVERS = (_REMOVED, _REPLACED, ".partial", ".taken", FETCHING)
"""How the names of folders end that are no results: being removed, replaced, unfinished, about to be continued, fetched."""


class Unneeded(NamedTuple):
    """A result that no kept run uses.

    Attributes:
        path: Its folder below the artifacts root.
        seconds: What it took to compute; None if its manifest is gone.
    """

    path: str
    seconds: float | None


class Pruning(NamedTuple):
    """What a pruning removes.

    Attributes:
        results: Results that no kept run uses.
        runs: Records of runs that are not kept.
        bytes: What that frees; a file that a result that stays has too is not freed.
        kept: Bytes of the results that stay.
    """

    results: list[Unneeded]
    runs: list[Used]
    bytes: int
    kept: int


def plan_pruning(store: Store, keep: int, budget: int | None = None) -> Pruning:
    """Return what goes when the last ``keep`` runs of each flow and dataset are kept, and what ``latest/`` leads to.

    Pinned runs stay too, and those that champions come from; of a champion's last predecessors what they are compared by. What
    was computed within the last day stays in any case: a run that failed goes on from it.

    Args:
        store: Where the results are.
        keep: Runs to keep of each flow on each dataset, at least 1.
        budget: Bytes that the results may take. Where the runs to keep take more, the oldest go too, as far as each flow
            keeps one on each dataset.

    Raises:
        PipelineError: The record of a run, or a ledger of champions, is damaged.
    """
    history, sizes = read_history(store.root), Sizes(store.root)
    always = {
        *_latest(store.root),
        *needed_by_champions(store.root),
        *(path for path in sizes.results if _is_fresh(store.root / path)),
    }
    runs, spare = _last_runs(history, keep, _held(store.root, history))
    while spare and budget is not None and sizes.of(_needed(always, runs)) > budget:
        runs.remove(spare.pop())
    needed = _needed(always, runs)
    gone = sorted(sizes.results - needed)
    return Pruning(
        results=[Unneeded(path, _seconds(store.root / path)) for path in gone],
        runs=[used for used in history if used not in runs],
        bytes=sizes.of(sizes.results) - sizes.of(needed),
        kept=sizes.of(needed),
    )


def prune(store: Store, keep: int, budget: int | None = None) -> Pruning:
    """Remove what `plan_pruning` returns, and what killed runs and prunings have left; return it.

    A result's folder is renamed before its files go, so whatever stops the pruning leaves whole results or none.

    Raises:
        PipelineError: A run is in progress, or the record of one is damaged.
    """
    with out_of_use(store.root):
        pruning = plan_pruning(store, keep, budget)
        for used in pruning.runs:
            forget(store.root, used)
        for unneeded in pruning.results:
            remove_result(store.root / unneeded.path)
        remove_leftovers(store.root, (_REMOVED, _REPLACED, FETCHING))
        _remove_notes(store)
        forget_remote(store.root)
    return pruning


def _last_runs(history: Sequence[Used], keep: int, held: Collection[str]) -> tuple[list[Used], list[Used]]:
    """Return the runs to keep: the last ``keep`` of each slot and those that are held; and those that a budget may take.

    Of these the oldest are at the end; the last one of a slot is not among them.
    """
    seen: Counter[str] = Counter()
    runs, spare = [], []
    for used in history:
        seen[used.slot] += 1
        if seen[used.slot] <= keep or used.run in held:
            runs.append(used)
            if seen[used.slot] > 1 and used.run not in held:
                spare.append(used)
    return runs, spare


def _held(root: Path, history: Sequence[Used]) -> set[str]:
    """Return the ids of the runs that are pinned, and of the last run that has used each champion and the decision on it."""
    held = pinned(root)
    for champion in champions_in_use(root):
        needed = {champion.model.path, champion.decision.path}
        held.update(used.run for used in [each for each in history if needed <= set(each.results)][:1])
    return held


def _needed(always: set[str], runs: Iterable[Used]) -> set[str]:
    return always.union(*(used.results for used in runs))


def _is_fresh(folder: Path) -> bool:
    """Return whether a result was computed within the last day; one without its manifest is of no use to anyone."""
    manifest = folder / MANIFEST
    return manifest.exists() and time.time() - manifest.stat().st_mtime < DAY


def _latest(root: Path) -> Iterator[str]:
    """Yield the results that people are led to."""
    for link in (root / "latest").glob("*/*/*"):
        if link.is_dir():
            yield link.resolve().relative_to(root.resolve()).as_posix()


def _seconds(folder: Path) -> float | None:
    try:
        return read_manifest(folder).seconds
    except (OSError, ValueError):
        return None


def remove_result(folder: Path) -> None:
    """Remove a result with the notes on it: all of it, or nothing if the process is killed before its folder is renamed."""
    removed = folder.with_name(f"{folder.name}{_REMOVED}")
    folder.rename(removed)
    shutil.rmtree(removed)
    (folder.parent / CHECKED / folder.name).unlink(missing_ok=True)
    name = f"{folder.parent.name}-{folder.name}"
    root = folder.parents[2]
    for note in (root / "prefect" / name, root / "locks" / f"{name}.lock"):
        note.unlink(missing_ok=True)


def remove_leftovers(root: Path, suffixes: Iterable[str] = LEFTOVERS) -> None:
    """Remove what killed runs and prunings have left, by how the names of the folders end. Nobody else may use the root."""
    for left in chain.from_iterable((root / "stages").glob(f"*/*{suffix}") for suffix in suffixes):
        shutil.rmtree(left)


def _remove_notes(store: Store) -> None:
    """Remove locks and records of results that are gone, and downloads that nobody has gone on with for a day."""
    for note in chain(store.root.glob("locks/*.lock"), store.root.glob("prefect/*")):
        named = _OF_A_RESULT.fullmatch(note.name.removesuffix(".lock"))
        if named and not (store.root / "stages" / named[1] / named[2]).exists():
            note.unlink()
    for part in store.downloads.glob("*.part"):
        if time.time() - part.stat().st_mtime > DAY:
            part.unlink()


def forget_remote(root: Path) -> None:
    """Remove what is known of results in the remote store, and parts of them. Nobody else may use the root."""
    for folder in (GLIMPSED, PARTS, TURNS):
        shutil.rmtree(root / folder, ignore_errors=True)


class Sizes:
    """What results take on disk, each file once, however many of them have a name for it.

    Attributes:
        results: Paths of all results' folders below the root.
    """

    def __init__(self, root: Path) -> None:
        folders = [path for path in (root / "stages").glob("*/*") if "." not in path.name and path.is_dir()]
        self._files = {path.relative_to(root).as_posix(): dict(_files(path)) for path in folders}
        self.results = set(self._files)

    def of(self, paths: Collection[str]) -> int:
        """Return the bytes of results together."""
        files: dict[tuple[int, int], int] = {}
        for path in paths:
            files.update(self._files.get(path, {}))
        return sum(files.values())


def _files(folder: Path) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield the identity of each file below a folder, and its bytes."""
    for place, _, names in os.walk(folder):
        for name in names:
            found = os.stat(f"{place}/{name}", follow_symlinks=False)  # noqa: PTH116  # a Path for each takes a while
            yield (found.st_dev, found.st_ino), found.st_size
