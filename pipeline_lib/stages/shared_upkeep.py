"""What is wrong in the remote store, and what nobody needs in it any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from pipeline_lib.remote.bucket import CONNECTIONS, Bucket, DamagedError, Found, blob_name
from pipeline_lib.stages.history import pinned
from pipeline_lib.stages.publishing import MANIFEST
from pipeline_lib.stages.result import Manifest
from pipeline_lib.stages.shared_runs import RUNS, opened, shared_runs
from pipeline_lib.stages.store import Store
from pipeline_lib.stages.transfer import GRACE, checked
from pipeline_lib.stages.verification import Checked

_AT_A_TIME = 1000
"""Blobs between two looks at what manifests there are."""


class RemotePruning(NamedTuple):
    """What a pruning of the remote store removes.

    Attributes:
        results: Paths of results that no kept run uses.
        runs: Ids of runs that are not kept.
        blobs: Number of blobs that no manifest names.
        bytes: What they take.
        kept: Bytes of the blobs that stay.
    """

    results: list[str]
    runs: list[str]
    blobs: int
    bytes: int
    kept: int


def check_remote(store: Store) -> Iterator[Checked]:
    """Read every result of the remote store, each blob once, and compare it with its digest; yield the results.

    Raises:
        OutOfReachError: The store does not answer.
        PipelineError: No store is named, or it refuses.
    """
    bucket = opened(store).bucket
    manifests = {found.name: _manifest(bucket, found.name) for found in _manifests(bucket)}
    wanted = {output.sha256 for manifest in manifests.values() if isinstance(manifest, Manifest) for output in manifest.outputs}
    wrong = {sha256: said for sha256, said in CONNECTIONS.map(lambda each: _measured(bucket, each), wanted) if said}
    for name, manifest in manifests.items():
        path = name.removesuffix(f"/{MANIFEST}")
        if isinstance(manifest, str):
            yield Checked(path, 0, manifest)
        elif manifest:
            said = next((f"`{each.path}`: {wrong[each.sha256]}" for each in manifest.outputs if each.sha256 in wrong), "")
            yield Checked(path, sum(output.bytes for output in manifest.outputs), said)


def _measured(bucket: Bucket, sha256: str) -> tuple[str, str]:
    try:
        bucket.measure(sha256)
    except DamagedError as error:
        return sha256, str(error)
    return sha256, ""


def prune_remote(store: Store, keep: int, *, dry_run: bool = False) -> RemotePruning:
    """Remove what the last ``keep`` runs of each flow and dataset in the remote store do not use; return it.

    Runs that are pinned on this machine stay, and so does whatever was written within `GRACE`: a run that has not finished
    may use it. Manifests go first, then the blobs that no manifest names any more, so that no reader finds a result that is
    not whole. A writer needs no lock: see `Transfer.send`.

    Raises:
        OutOfReachError: The store does not answer.
        PipelineError: No store is named, it is only read, or the record of a run is damaged.
    """
    shared = opened(store, writes=not dry_run)
    bucket, latest = shared.bucket, datetime.now(UTC) - GRACE
    blobs = list(bucket.list("blobs"))  # before the manifests: what is named later is younger or looked at again
    seen: Counter[str] = Counter()
    kept, gone, held = set[str](), list[str](), pinned(store.root)
    for run in shared_runs(bucket):
        seen[run.used.slot] += 1
        if seen[run.used.slot] <= keep or run.used.run in held:
            kept.update(run.used.results)
        else:
            gone.append(run.used.run)
    manifests = list(_manifests(bucket))
    unused = [each.name for each in manifests if each.written < latest and each.name.removesuffix(f"/{MANIFEST}") not in kept]
    named = _Named(bucket, leaving=unused)
    needed = named.blobs()
    spare = [blob for blob in blobs if blob.written < latest and blob.name not in needed]
    if not dry_run:
        for name in [*(f"{RUNS}/{run}.json" for run in gone), *unused]:
            bucket.remove(name)
        spare = _remove_blobs(bucket, spare, named)
    size = sum(blob.bytes for blob in spare)
    results = [name.removesuffix(f"/{MANIFEST}") for name in unused]
    return RemotePruning(results, gone, len(spare), size, sum(blob.bytes for blob in blobs) - size)


def _remove_blobs(bucket: Bucket, spare: list[Found], named: _Named) -> list[Found]:
    """Remove blobs but for those that manifests name by now, and return them."""
    removed = []
    for start in range(0, len(spare), _AT_A_TIME):
        needed = named.blobs()
        still = [blob for blob in spare[start : start + _AT_A_TIME] if blob.name not in needed]
        list(CONNECTIONS.map(bucket.remove, [blob.name for blob in still]))
        removed += still
    return removed


class _Named:
    """The blobs that manifests in a bucket name; each look reads those that have come since the last one.

    Args:
        bucket: The remote store.
        leaving: Names of manifests that are about to be removed.
    """

    def __init__(self, bucket: Bucket, leaving: Collection[str]) -> None:
        self._bucket = bucket
        self._read = set(leaving)
        self._blobs: set[str] = set()

    def blobs(self) -> set[str]:
        fresh = [found.name for found in _manifests(self._bucket) if found.name not in self._read]
        for manifest in CONNECTIONS.map(lambda name: _manifest(self._bucket, name), fresh):
            if isinstance(manifest, Manifest):
                self._blobs |= {blob_name(output.sha256) for output in manifest.outputs}
        self._read.update(fresh)
        return self._blobs


def _manifests(bucket: Bucket) -> Iterator[Found]:
    return (found for found in bucket.list("stages") if found.name.endswith(f"/{MANIFEST}"))


def _manifest(bucket: Bucket, name: str) -> Manifest | str | None:
    """Return a manifest, or what is wrong with it; None if it is gone."""
    content = bucket.read(name)
    try:
        return None if content is None else checked(name, content).manifest
    except DamagedError as error:
        return str(error)
