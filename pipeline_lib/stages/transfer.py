"""How results get into a remote store and back.

A result is there as it is here: a manifest, ``stages/<stage>/<key>/manifest.json``, and its outputs, which are blobs named by
their digests, so that results share what they have in common. The manifest comes last and is created once: whoever reads it
finds the whole result, and of two machines that publish one result neither waits for the other.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path, PurePosixPath
from shutil import rmtree
from threading import Lock
from typing import NamedTuple

from pipeline_lib.files.digest import has_sha256
from pipeline_lib.files.links import link_or_copy
from pipeline_lib.remote.bucket import CONNECTIONS, Bucket, DamagedError, blob_name
from pipeline_lib.stages.kept import Kept
from pipeline_lib.stages.publishing import MANIFEST, publish
from pipeline_lib.stages.result import Manifest, Output, Record, digest_of, json_digest, read_manifest

FETCHING = ".fetched"
"""How the name of a folder ends into which a result is being fetched."""

GRACE = timedelta(days=7)
"""How old a blob is at least that no manifest names, before it is removed: a writer may be about to name a younger one."""


class Published(Record):
    """A result as it is in a bucket.

    Attributes:
        computed: When it was computed. Here that is the date of its manifest's file, which people are shown.
        manifest: Its manifest.
    """

    computed: datetime
    manifest: Manifest

    @classmethod
    def read(cls, folder: Path) -> Published:
        """Return what was written into a folder."""
        return cls(computed=datetime.fromtimestamp((folder / MANIFEST).stat().st_mtime, UTC), manifest=read_manifest(folder))

    def with_outputs(self, outputs: Sequence[Output]) -> Published:
        """Return the same result with some of its outputs alone."""
        return self.model_copy(update={"manifest": self.manifest.model_copy(update={"outputs": tuple(outputs)})})

    def write(self, folder: Path) -> None:
        """Write the manifest into a folder."""
        file, when = folder / MANIFEST, self.computed.timestamp()
        file.write_text(self.manifest.model_dump_json(), encoding="utf-8")
        os.utime(file, (when, when))


class Transfer:
    """Results between an artifacts root and a bucket. Raises OutOfReachError where the bucket cannot be reached.

    Attributes:
        moved: Bytes of the outputs that were sent or fetched.
    """

    def __init__(self, root: Path, bucket: Bucket) -> None:
        self.bucket = bucket
        self.moved = 0
        self._counting = Lock()
        self._root = root
        self._there: set[str] = set()

    def published(self, stage: str, key: str) -> Published | None:
        """Return a result that is in the bucket, without its outputs; None if there is none. Raises DamagedError."""
        name = manifest_name(stage, key)
        content = self.bucket.read(name)
        return None if content is None else checked(name, content)

    def fetch(self, published: Published, folder: Path) -> None:
        """Put a result into its folder, whole or not at all: the caller has the turn.

        Raises:
            DamagedError: An output is missing in the bucket, or is not what was recorded.
        """
        partial = folder.with_name(f"{folder.name}{FETCHING}")
        rmtree(partial, ignore_errors=True)  # what a killed process has left
        partial.mkdir(parents=True)
        try:
            self._fill(partial, published.manifest)
            published.write(partial)
            publish(partial, folder)
        finally:
            rmtree(partial, ignore_errors=True)
        self._kept.update({output.sha256: folder / output.path for output in published.manifest.outputs})

    def send(self, folder: Path) -> Manifest:
        """Publish a result, and return the manifest that is in the bucket now: another one where somebody was first.

        Raises:
            PipelineError: An output is not what was recorded.
        """
        manifest = read_manifest(folder)
        name = manifest_name(manifest.stage, manifest.key)
        if there := self._undamaged(name):
            return there
        kept, paths = Kept(folder, manifest.digests), {output.sha256: output.path for output in manifest.outputs}
        old = self._send_blobs(kept, paths.items())
        created = self.bucket.create(name, Published.read(folder).model_dump_json().encode())
        # They may have been removed, as blobs that nobody names, until the manifest named them.
        self._send_blobs(kept, [(sha256, paths[sha256]) for sha256 in old])
        return manifest if created else self._undamaged(name) or manifest

    def remove(self, *names: str) -> None:
        """Remove objects from the bucket that are not what they should be."""
        self._there.clear()
        for name in names:
            self.bucket.remove(name)

    def _send_blobs(self, kept: Kept, blobs: Iterable[tuple[str, str]]) -> list[str]:
        """Send the outputs that are not there, by digest and path; return the digests of old ones that are."""
        sent = list(CONNECTIONS.map(lambda each: self._send_blob(kept, *each), blobs))
        self._count(each.bytes for each in sent)
        return [each.sha256 for each in sent if each.old]

    def _send_blob(self, kept: Kept, sha256: str, path: str) -> _Sent:
        if sha256 in self._there:
            return _Sent(sha256, 0, old=False)
        found, size = self.bucket.look(blob_name(sha256)), (kept.folder / path).stat().st_size
        old = found is not None and datetime.now(UTC) - found.written > GRACE / 2
        if found is None or found.bytes != size:
            self.bucket.send(kept.intact(path), sha256)
        if not old:
            self._there.add(sha256)
        return _Sent(sha256, 0 if found else size, old)

    def _count(self, moved: Iterable[int]) -> None:
        total = sum(moved)
        with self._counting:  # results are sent and fetched by several threads
            self.moved += total

    def _undamaged(self, name: str) -> Manifest | None:
        """Return a manifest in the bucket; one that is damaged is removed, so that another one takes its place."""
        content = self.bucket.read(name)
        try:
            return None if content is None else checked(name, content).manifest
        except DamagedError:
            self.remove(name)
            return None

    def _fill(self, partial: Path, manifest: Manifest) -> None:
        """Put every output in place."""
        places: dict[str, list[Path]] = defaultdict(list)
        for output in manifest.outputs:
            places[output.sha256].append(partial / output.path)
        for folder in {place.parent for same in places.values() for place in same}:
            folder.mkdir(parents=True, exist_ok=True)
        self._count(CONNECTIONS.map(lambda sha256: self._place(sha256, *places[sha256]), places))

    def _place(self, sha256: str, first: Path, *others: Path) -> int:
        """Put a content in its places, from another result of this machine if one has it; return the bytes that were moved."""
        kept, moved = self._kept.get(sha256), 0
        if kept and has_sha256(kept, sha256):
            link_or_copy(kept, first)
        else:
            moved = self.bucket.fetch(sha256, first)
        for other in others:
            link_or_copy(first, other)
        return moved

    @cached_property
    def _kept(self) -> dict[str, Path]:
        """Where this machine has which content; read when something is fetched for the first time."""
        results = local_results(self._root)
        return {output.sha256: folder / output.path for folder, manifest in results for output in manifest.outputs}


class _Sent(NamedTuple):
    """A blob that is in the bucket, the bytes that were moved for it, and whether it is so old that it may be removed."""

    sha256: str
    bytes: int
    old: bool


def manifest_name(stage: str, key: str) -> str:
    """Return where the manifest of a result is in a bucket."""
    return f"stages/{stage}/{key}/{MANIFEST}"


def checked(name: str, content: bytes) -> Published:
    """Return a manifest that has arrived.

    Raises:
        DamagedError: It is none, is that of another result, does not add up, or names a file outside of its folder.
    """
    try:
        published = Published.model_validate_json(content)
    except ValueError:
        raise DamagedError(name, "is no manifest") from None
    manifest = published.manifest
    key = json_digest([manifest.stage, manifest.parts])[:16]
    if manifest.key != key or name != manifest_name(manifest.stage, key):
        raise DamagedError(name, "is the manifest of another result")
    if manifest.digest != digest_of(manifest.outputs) or not all(map(_is_inside, manifest.outputs)):
        raise DamagedError(name, "does not add up")
    return published


def _is_inside(output: Output) -> bool:
    path = PurePosixPath(output.path)
    return not path.is_absolute() and ".." not in path.parts and output.path not in ("", ".", MANIFEST)


def local_results(root: Path) -> Iterator[tuple[Path, Manifest]]:
    """Yield the folder and the manifest of every result of a root that has a legible one."""
    for file in sorted((root / "stages").glob(f"*/*/{MANIFEST}")):
        if "." not in file.parent.name:
            try:
                yield file.parent, read_manifest(file.parent)
            except (OSError, ValueError):
                continue  # it has nothing to offer
