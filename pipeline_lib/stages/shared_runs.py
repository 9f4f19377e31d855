"""Runs in the remote store: what each has used and shown, so that another machine can get all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from pipeline_lib.errors import PipelineError
from pipeline_lib.remote.bucket import CONNECTIONS, Bucket
from pipeline_lib.stages.champion import LINK
from pipeline_lib.stages.history import Used, in_use, read_history, write_record
from pipeline_lib.stages.result import Record, Ref, damage, read_manifest
from pipeline_lib.stages.sharing import Sharing
from pipeline_lib.stages.store import Store

RUNS = "runs"
"""The folder of the records in the remote store."""

OWED = "remote/owed-runs"
"""The folder in the artifacts root with a note for each run whose record is still to be published."""


_RESULT = re.compile(r"stages/\w+/[0-9a-f]{16}")


class SharedRun(Record):
    """A run as other machines see it.

    Attributes:
        used: Its record.
        latest: What it has shown: paths of results below the artifacts root, by what leads to them in ``latest/``.
    """

    used: Used
    latest: dict[str, str]

    @property
    def is_sound(self) -> bool:
        """Whether it leads nowhere but to results: it comes from elsewhere, and files are named by what it says."""
        names = [Path(name).parts for name in self.latest]
        return (
            self.used.run.isalnum()
            and all(_RESULT.fullmatch(path) for path in self.used.results)
            and set(self.latest.values()) <= set(self.used.results)
            and all(len(parts) == 3 and not {"..", "/"} & {*parts} for parts in names)
        )


class Moved(NamedTuple):
    """What a push or a pull has come to: the run's results, and the bytes of their outputs that were moved."""

    used: Used
    results: int
    bytes: int


def share_run(store: Store, used: Used) -> str:
    """Publish the record of a run that has finished, and what is owed; return what its user should know, or nothing."""
    shared = store.shared
    if shared is None:
        return ""
    owed = 0
    if shared.writes:
        note = store.root / OWED / used.run
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()
        owed = shared.settle()
        if not owed:
            shared.outage.attempt(lambda: _publish_records(store, shared), at_once=True)
    return "; ".join(_in_words(shared, owed))


def _in_words(shared: Sharing, owed: int) -> Iterator[str]:
    if shared.outage.happened:
        where = f"{shared.bucket.url} could not be reached"
        still = f": {owed} results are still to be published there, by the next run or by 'garbage push'"
        yield f"{where}{still if owed else ' for a while, and the run went on without it'}"
    yield from shared.findings[:3]
    if len(shared.findings) > 3:
        yield f"and {len(shared.findings) - 3} findings more, which the log of the run has"


def _publish_records(store: Store, shared: Sharing) -> bool:
    """Publish the records of runs that are owed."""
    history = {used.run: used for used in read_history(store.root)}
    for note in (store.root / OWED).glob("*"):
        if used := history.get(note.name):
            _publish_record(store, shared.bucket, used)
        note.unlink(missing_ok=True)
    return True


def _publish_record(store: Store, bucket: Bucket, used: Used) -> None:
    bucket.create(f"{RUNS}/{used.run}.json", SharedRun(used=used, latest=_shown(store.root, used)).model_dump_json().encode())


def _shown(root: Path, used: Used) -> dict[str, str]:
    """Return what ``latest/`` leads to among the results of a run; the champion is every machine's own."""
    place = root / "latest"
    links = [link for link in place.glob(f"{used.slot.partition('/')[0]}/*/*") if link.name != LINK and link.is_dir()]
    targets = {link: link.resolve().relative_to(root.resolve()).as_posix() for link in links}
    return {link.relative_to(place).as_posix(): path for link, path in targets.items() if path in used.results}


def shared_runs(bucket: Bucket) -> list[SharedRun]:
    """Return the runs in a remote store, the one that finished last first.

    Raises:
        OutOfReachError: The store cannot be reached.
        PipelineError: A record is damaged.
    """
    names = [found.name for found in bucket.list(RUNS)]
    runs = [run for run in CONNECTIONS.map(lambda name: _read(bucket, name), names) if run]
    return sorted(runs, key=lambda run: (run.used.when, run.used.run), reverse=True)


def _read(bucket: Bucket, name: str) -> SharedRun | None:
    content = bucket.read(name)
    if content is None:
        return None
    try:
        run = SharedRun.model_validate_json(content)
    except ValidationError:
        run = None
    if run is None or not run.is_sound or name != f"{RUNS}/{run.used.run}.json":
        raise PipelineError(f"{bucket.url}/{name} is damaged: remove it, and push that run again")
    return run


def push(store: Store, used: Used) -> Moved:
    """Publish all results of a run, and its record.

    Raises:
        OutOfReachError: The store cannot be reached.
        PipelineError: No store is named or it is only read, a result is gone, or an output is not what was recorded.
    """
    shared = opened(store, writes=True)
    with in_use(store.root):
        for path in used.results:
            if not (store.root / path).is_dir():
                raise PipelineError(f"{path}, which the run {used.run[:8]} has used, was pruned: run it again, then push")
            shared.send(store.root / path)
        _publish_record(store, shared.bucket, used)
    return Moved(used, len(used.results), shared.transfer.moved)


def pull(store: Store, run: SharedRun) -> Moved:
    """Get all results of a run and its record; what ``latest/`` leads to follows, unless a later run was here.

    Raises:
        PipelineError: No store is named or it does not answer, or a result there is missing or damaged.
    """
    shared = opened(store)
    with in_use(store.root):
        for path in run.used.results:
            _, stage, key = path.split("/")
            if damage(store.root / path, "sizes") and not shared.fetch(stage, key).here:
                whose = f"{path} of the run {run.used.run[:8]}"
                raise PipelineError(f"{shared.bucket.url} does not have {whose}, or not whole: push that run again")
        later = [used.when for used in read_history(store.root) if used.slot == run.used.slot]
        write_record(store.root, run.used)
        if run.used.when >= max(later, default=datetime.min.replace(tzinfo=run.used.when.tzinfo)):
            _point(store, run)
    return Moved(run.used, len(run.used.results), shared.transfer.moved)


def _point(store: Store, run: SharedRun) -> None:
    for name, path in run.latest.items():
        manifest = read_manifest(store.root / path)
        store.point(name, Ref(stage=manifest.stage, key=manifest.key, digest=manifest.digest, path=path))


def opened(store: Store, *, writes: bool = False) -> Sharing:
    """Return what results are shared through, for a command that is of no use without it.

    Raises:
        OutOfReachError: The store does not answer.
        PipelineError: None is named, it is only read, or it refuses what it is asked for.
    """
    shared = store.shared
    if shared is None:
        raise PipelineError("No remote store is named: set GARBAGE_REMOTE, for instance to s3://bucket/prefix")
    if writes and not shared.writes:
        raise PipelineError(f"{shared.bucket.url} is only read on this machine: set GARBAGE_REMOTE_MODE=readwrite")
    shared.bucket.check(writes=writes)
    return shared
