"""Which results each finished run has used: what is still needed follows from it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from pipeline_lib.errors import PipelineError
from pipeline_lib.stages.publishing import write_atomically
from pipeline_lib.stages.result import Record

HISTORY = "runs"
"""The folder of the records in the artifacts root: a JSON file per run."""

PINS = "pins"
"""The folder of pins in the artifacts root: an empty file for each run that is kept whatever comes after it."""

_IN_USE = ".in-use"


class Used(Record):
    """The results that a run has used, computed or not.

    Attributes:
        run: The run's id.
        slot: The flow on the dataset.
        when: When the run was finished, in UTC.
        results: Paths of the results' folders below the artifacts root.
    """

    run: str
    slot: str
    when: datetime
    results: tuple[str, ...]


def write_used(root: Path, run: str, slot: str, results: set[str]) -> Used:
    """Keep the record of a run that has finished now, and return it."""
    used = Used(run=run, slot=slot, when=datetime.now(UTC), results=tuple(sorted(results)))
    write_record(root, used)
    return used


def write_record(root: Path, used: Used) -> None:
    """Keep the record of a run, of this machine or of another one."""
    (root / HISTORY).mkdir(exist_ok=True)
    write_atomically(root / HISTORY / f"{used.run}.json", used.model_dump_json().encode())


def read_history(root: Path) -> list[Used]:
    """Return the records of all runs, the one that finished last first.

    Raises:
        PipelineError: A record is damaged.
    """
    history = []
    for path in (root / HISTORY).glob("*.json"):
        try:
            history.append(Used.model_validate_json(path.read_bytes()))
        except ValidationError:
            raise PipelineError(
                f"{path} is damaged, so nobody can say what that run needs: remove it, and its results count as unused"
            ) from None
    return sorted(history, key=lambda used: (used.when, used.run), reverse=True)


def forget(root: Path, used: Used) -> None:
    """Remove the record of a run, and its pin."""
    (root / HISTORY / f"{used.run}.json").unlink(missing_ok=True)
    unpin(root, used)


def pin(root: Path, used: Used) -> None:
    """Keep what a run has used until it is unpinned."""
    (root / PINS).mkdir(exist_ok=True)
    (root / PINS / used.run).touch()


def unpin(root: Path, used: Used) -> None:
    """Let a run be pruned like any other."""
    (root / PINS / used.run).unlink(missing_ok=True)


def pinned(root: Path) -> set[str]:
    """Return the ids of the runs that are pinned."""
    return {path.name for path in (root / PINS).glob("*")}


@contextmanager
def in_use(root: Path) -> Iterator[None]:
    """Hold the results of a root in use, beside others that do: none is removed meanwhile.

    The kernel gives back what a process held that dies, whatever killed it.
    """
    with _hold(root, fcntl.LOCK_SH):
        yield


@contextmanager
def out_of_use(root: Path) -> Iterator[None]:
    """Have the results of a root to oneself; runs that start meanwhile wait.

    Raises:
        PipelineError: A run is in progress.
    """
    try:
        with _hold(root, fcntl.LOCK_EX | fcntl.LOCK_NB):
            yield
    except BlockingIOError:
        raise PipelineError(f"A run with results in {root} is in progress; prune when it has ended") from None


@contextmanager
def _hold(root: Path, how: int) -> Iterator[None]:
    root.mkdir(parents=True, exist_ok=True)
    with (root / _IN_USE).open("a") as file:
        fcntl.flock(file, how)
        yield
