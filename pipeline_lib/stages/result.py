"""What a result is: a folder with outputs and a manifest, and the reference by which stages hand it on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from pipeline_lib.files.digest import file_sha256
from pipeline_lib.stages.kept import Kept
from pipeline_lib.stages.publishing import MANIFEST
from pipeline_lib.stages.root import artifacts_root

Verify = Literal["sizes", "digests"]
Summary = dict[str, Any]


class Record(BaseModel):
    """A value that is written as JSON and never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Output:
    """One file of a result: path relative to the result's folder, size in bytes, sha256.

    No `Record`: of a million outputs it would take 1 GB, and twice as long to read.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    path: str
    bytes: int
    sha256: str


class Manifest(Record):
    """What a result is, what its key was made of, and how it came about."""

    stage: str
    key: str
    parts: dict[str, dict[str, Any]]
    outputs: tuple[Output, ...]
    digest: str
    summary: Summary
    reason: str
    run: str
    seconds: float

    @property
    def digests(self) -> dict[str, str]:
        """The sha256 of each output by its path."""
        return {output.path: output.sha256 for output in self.outputs}


class Ref(Record):
    """A reference to a result, or to a part of one: all that travels between stages.

    ``prefix`` keeps the outputs whose path starts with it, ``excluded`` drops those whose path starts with that; ``bucket``
    of ``buckets`` keeps those whose content hashes into that bucket. ``digest`` is that of the part, so a stage that reads
    the part depends on nothing else. An empty digest marks a result that is not there yet (only while planning).
    """

    stage: str
    key: str
    digest: str
    path: str
    prefix: str = ""
    excluded: str = ""
    bucket: int = 0
    buckets: int = 1

    @property
    def pending(self) -> bool:
        """Whether the result is still to be computed."""
        return not self.digest

    @property
    def whole(self) -> bool:
        """Whether it is the whole result that is meant."""
        return (self.prefix, self.excluded, self.buckets) == ("", "", 1)

    @property
    def folder(self) -> Path:
        """The result's folder on this machine."""
        return artifacts_root() / self.path

    @property
    def kept(self) -> Kept:
        """The whole result, to take files from."""
        return Kept(self.folder, self.manifest().digests)

    def manifest(self) -> Manifest:
        """Return the manifest of the whole result."""
        return read_manifest(self.folder)

    def outputs(self) -> list[Output]:
        """Return the files of this part, in path order."""
        path = self.folder / MANIFEST
        return list(_divided(path, path.stat().st_mtime_ns, self.prefix, self.excluded, self.buckets)[self.bucket])

    def part(self, prefix: str, bucket: int = 0, buckets: int = 1) -> Ref:
        """Return a reference to the outputs under ``prefix`` whose content falls into ``bucket`` of ``buckets``."""
        return self._part(prefix=prefix, excluded="", bucket=bucket, buckets=buckets)

    def without(self, prefix: str) -> Ref:
        """Return a reference to the outputs that are not under ``prefix``."""
        return self._part(excluded=prefix)

    def _part(self, **changed: Any) -> Ref:
        part = self.model_copy(update=changed)
        return part if self.pending else part.model_copy(update={"digest": digest_of(part.outputs())})


def json_digest(value: Any) -> str:
    """Return the sha256 of a value as JSON, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def digest_of(outputs: Sequence[Output]) -> str:
    """Return the digest of a set of outputs: of their paths and contents, whatever their order."""
    return json_digest(sorted((output.path, output.sha256) for output in outputs))


@lru_cache(maxsize=1024)
def _parsed_manifest(path: Path, mtime_ns: int) -> Manifest:
    return Manifest.model_validate_json(path.read_bytes())


@lru_cache(maxsize=16)
def _divided(path: Path, mtime_ns: int, prefix: str, excluded: str, buckets: int) -> list[list[Output]]:
    """Return the outputs of each bucket of a part: all in one pass, however many buckets there are."""
    divided: list[list[Output]] = [[] for _ in range(buckets)]
    for output in _parsed_manifest(path, mtime_ns).outputs:
        if output.path.startswith(prefix) and not (excluded and output.path.startswith(excluded)):
            divided[int(output.sha256[:8], 16) % buckets].append(output)
    return divided


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a result's folder; raises OSError or ValueError when there is none or it is damaged."""
    path = folder / MANIFEST
    return _parsed_manifest(path, path.stat().st_mtime_ns)


def damage(folder: Path, verify: Verify) -> str:
    """Say what is wrong with a result on disk; empty when nothing is."""
    try:
        manifest = read_manifest(folder)
    except (OSError, ValueError):
        return f"manifest missing or unreadable: `{MANIFEST}`"
    for output in manifest.outputs:
        try:
            size = os.stat(f"{folder}/{output.path}").st_size  # noqa: PTH116  # a Path for each of 20,000 files takes a while
        except OSError:
            return f"output missing: `{output.path}`"
        if size != output.bytes:
            return f"output changed: `{output.path}` has {size:,} bytes, recorded {output.bytes:,}"
        if verify == "digests" and file_sha256(folder / output.path) != output.sha256:
            return f"output changed: `{output.path}` is not what was recorded"
    return ""
