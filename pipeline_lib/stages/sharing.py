"""The results that machines share: fetched from the remote store before they are computed, published there afterwards.

A remote store that does not answer stops no run: it goes on with what is here, says so, and publishes later.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from pipeline_lib.errors import PipelineError
from pipeline_lib.remote.address import Address, address_in_environment
from pipeline_lib.remote.bucket import Bucket, DamagedError
from pipeline_lib.remote.outage import PAUSE, Outage
from pipeline_lib.stages.publishing import MANIFEST
from pipeline_lib.stages.result import Manifest, Ref, Verify, damage, digest_of, read_manifest
from pipeline_lib.stages.transfer import Published, Transfer, manifest_name

_log = logging.getLogger(__name__)

FETCHED = "fetched from the remote store"
"""Why a result is here that this machine has not computed."""

IN_REMOTE = "in the remote store"
"""Why a run would reuse a result that is not here."""

GLIMPSED, PARTS, OWED, TURNS = "remote/glimpsed", "remote/parts", "remote/owed", "remote/locks"
"""Folders in the artifacts root: manifests of results that are not here, parts of them, what is to be published, and who
fetches what."""


class Fetched(NamedTuple):
    """What came of fetching a result.

    Attributes:
        here: Whether it is here now.
        damage: What is wrong with the one in the remote store; empty if nothing is, or there is none.
    """

    here: bool
    damage: str = ""


class Sharing:
    """The results of a root that are shared through a bucket. Nothing here raises because the bucket is out of reach.

    Args:
        root: The artifacts root.
        bucket: The remote store.
        writes: Whether results are published in it.
        pause: Seconds without an attempt after one that has failed.

    Attributes:
        findings: What is wrong in the remote store, or with the results of a stage, in words.
    """

    def __init__(self, root: Path, bucket: Bucket, *, writes: bool, pause: float = PAUSE) -> None:
        self.bucket = bucket
        self.writes = writes
        self.outage = Outage(bucket.url, self._tell, pause)
        self.transfer = Transfer(root, bucket)
        self.findings: list[str] = []
        self._news: list[str] = []
        self._root = root

    def taken_news(self) -> list[str]:
        """Return what was said since the last call, for the log of the run."""
        taken, self._news = self._news, []
        return taken

    def check(self) -> None:
        """Raise PipelineError if the store refuses what a run will ask of it; if it does not answer, that is said."""
        self.outage.attempt(lambda: self.bucket.check(writes=self.writes), at_once=True)

    def glimpse(self, stage: str, key: str) -> Path | None:
        """Return a folder with the manifest of a result, and nothing else of it; None if there is no such result."""
        try:
            published = self.outage.attempt(lambda: self.transfer.published(stage, key))
        except DamagedError:
            return None  # a run computes it
        if published is None:
            return None
        folder = self._root / GLIMPSED / stage / key
        folder.mkdir(parents=True, exist_ok=True)
        published.write(folder)
        return folder

    def fetch(self, stage: str, key: str, verify: Verify = "sizes") -> Fetched:
        """Get a result that is not here, or is damaged here, if the remote store has it; every byte is compared.

        A damaged one is removed there, if this machine may: the next one that is computed takes its place.
        """
        return self._fetched(stage, key, lambda: self._fetch(stage, key, verify))

    def fetch_part(self, ref: Ref) -> Ref | None:
        """Get the files of a part of a result that is not here, and no others; None if the remote store does not have them.

        They are in a folder of their own, whose manifest lists them alone: what refers to it has the digest of the part, so
        it is the same input, and it is never taken for the result. It goes when results are pruned.
        """
        part = ref.model_copy(update={"path": f"{PARTS}/{ref.stage}/{ref.key}-{ref.digest[:16]}"})
        fetched = self._fetched(ref.stage, ref.key, lambda: self._fetch_part(ref, part))
        return part if fetched.here else None

    def _fetched(self, stage: str, key: str, fetch: Callable[[], bool]) -> Fetched:
        try:
            return Fetched(bool(self.outage.attempt(fetch)))
        except DamagedError as error:
            what = f"damaged in the remote store: {error}"
            self._find(f"The result {stage} {key} is {what}; it is computed instead")
            if self.writes:
                damaged = {manifest_name(stage, key), error.name}
                self.outage.attempt(lambda: self.transfer.remove(*damaged))
            return Fetched(here=False, damage=what)

    def offer(self, folder: Path) -> None:
        """Publish a result, if this machine may. One that cannot be published now is owed, see `settle`."""
        if not self.writes:
            return
        note = self._root / OWED / f"{folder.parent.name}-{folder.name}"
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()
        if self.outage.attempt(lambda: self.send(folder)):
            note.unlink(missing_ok=True)

    def settle(self) -> int:
        """Publish what is owed, because the store was out of reach or a process was killed; return how much still is."""
        for note in sorted((self._root / OWED).glob("*-*")) if self.writes else ():
            stage, _, key = note.name.rpartition("-")
            if not self._is_settled(self._root / "stages" / stage / key):
                break
            note.unlink(missing_ok=True)
        return len(list((self._root / OWED).glob("*-*")))

    def _is_settled(self, folder: Path) -> bool:
        """Publish a result that is owed, and return whether it is owed no more: also if it is gone, or of no use."""
        try:
            return not (folder / MANIFEST).exists() or bool(self.outage.attempt(lambda: self.send(folder), at_once=True))
        except PipelineError as error:
            self._find(f"The result {folder.parent.name} {folder.name} cannot be published: {error}")
            return True

    def send(self, folder: Path) -> bool:
        """Publish a result and return True. If somebody was first whose bytes differ, that is said.

        Raises:
            OutOfReachError: The store cannot be reached.
            PipelineError: An output is not what was recorded.
        """
        mine, theirs = read_manifest(folder), self.transfer.send(folder)
        if mine.digest != theirs.digest:
            self._find(_difference(mine, theirs))
        return True

    def turn(self, stage: str, key: str) -> FileLock:
        """Return the lock of the place of a result, for whoever puts it there."""
        folder = self._root / TURNS
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{stage}-{key}.lock")

    def _find(self, what: str) -> None:
        self.findings.append(what)
        self._tell(what)

    def _tell(self, what: str) -> None:
        self._news.append(what)
        _log.warning(what)

    def _fetch(self, stage: str, key: str, verify: Verify) -> bool:
        published = self.transfer.published(stage, key)
        if published is None:
            return False
        folder = self._root / "stages" / stage / key
        with self.turn(stage, key):  # whoever wants it too waits for it
            if not folder.exists() or damage(folder, verify):
                self.transfer.fetch(published, folder)
        return True

    def _fetch_part(self, ref: Ref, part: Ref) -> bool:
        folder = self._root / part.path
        with self.turn(ref.stage, folder.name):
            if not damage(folder, "sizes"):
                return True
            glimpsed = self._root / GLIMPSED / ref.stage / ref.key
            if not (glimpsed / MANIFEST).exists() and self.glimpse(ref.stage, ref.key) is None:
                return False
            outputs = ref.model_copy(update={"path": glimpsed.relative_to(self._root).as_posix()}).outputs()
            if digest_of(outputs) != ref.digest:
                return False  # somebody else's result of that key, and other bytes
            self.transfer.fetch(Published.read(glimpsed).with_outputs(outputs), folder)
        return True


def _difference(mine: Manifest, theirs: Manifest) -> str:
    """Say that two computations under one key gave different bytes."""
    names = sorted(
        path for path in mine.digests.keys() | theirs.digests.keys() if mine.digests.get(path) != theirs.digests.get(path)
    )
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return (
        f"The stage {mine.stage} is not deterministic: for the key {mine.key} the run {mine.run} here and the run {theirs.run} "
        f"elsewhere gave different bytes (`{names[0]}`{more}). Each goes on with its own; the remote store keeps the first"
    )


def sharing(root: Path) -> Sharing | None:
    """Return what the results of a root are shared through, as the environment names it; None if it names nothing.

    Raises:
        PipelineError: The address or the mode is none.
    """
    address = address_in_environment()
    return _sharing(root, address) if address else None


@lru_cache(maxsize=8)
def _sharing(root: Path, address: Address) -> Sharing:
    return Sharing(root, Bucket.at(address), writes=address.writes)
