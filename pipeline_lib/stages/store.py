"""Stages: keys, manifests, verified reuse and atomic publishing. The store knows nothing of Prefect.

A stage's result is a folder ``stages/<stage>/<key>/`` with its outputs and a ``manifest.json``. The key is a hash of all
that the result depends on (``Plan``); a folder that bears the key, with outputs as recorded, is the result.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from pipeline_lib.errors import writing_into
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.stages.kept import Kept
from pipeline_lib.stages.publishing import MANIFEST, begin, publish, write_atomically
from pipeline_lib.stages.reach import reach

ARTIFACTS = "GARBAGE_ARTIFACTS"
Verify = Literal["sizes", "digests"]
Summary = dict[str, Any]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Output(_Record):
    """One file of a result: path relative to the result's folder, size in bytes, sha256."""

    path: str
    bytes: int
    sha256: str


class Manifest(_Record):
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


class Ref(_Record):
    """A reference to a result, or to a part of one: all that travels between stages.

    ``prefix`` keeps the outputs whose path starts with it; ``bucket`` of ``buckets`` keeps those whose content hashes into
    that bucket. ``digest`` is that of the part, so a stage that reads a part depends on nothing else. An empty digest
    marks a result that is not there yet (only while planning).
    """

    stage: str
    key: str
    digest: str
    path: str
    prefix: str = ""
    bucket: int = 0
    buckets: int = 1

    @property
    def pending(self) -> bool:
        """Whether the result is still to be computed."""
        return not self.digest

    @property
    def folder(self) -> Path:
        """The result's folder on this machine."""
        return Store().root / self.path

    @property
    def kept(self) -> Kept:
        """The whole result, to take files from."""
        return Kept(self.folder, _digests(self.manifest()))

    def manifest(self) -> Manifest:
        """Return the manifest of the whole result."""
        return read_manifest(self.folder)

    def outputs(self) -> list[Output]:
        """Return the files of this part, in path order."""
        return [output for output in self.manifest().outputs if output.path.startswith(self.prefix) and self._holds(output)]

    def part(self, prefix: str, bucket: int = 0, buckets: int = 1) -> Ref:
        """Return a reference to the outputs under ``prefix`` whose content falls into ``bucket`` of ``buckets``."""
        part = self.model_copy(update={"prefix": prefix, "bucket": bucket, "buckets": buckets})
        return part if self.pending else part.model_copy(update={"digest": digest_of(part.outputs())})

    def _holds(self, output: Output) -> bool:
        return int(output.sha256[:8], 16) % self.buckets == self.bucket


@runtime_checkable
class Identified(Protocol):
    """Something outside the store that a stage reads, such as a folder of images: it counts by its fingerprint."""

    @property
    def fingerprint(self) -> str:
        """What identifies the content."""
        ...


class External(NamedTuple):
    """The plainest thing outside the store: where it is, and what identifies its content."""

    location: str
    fingerprint: str


class Plan(_Record):
    """A stage about to run: its name, its key, and what the key is made of.

    ``parts`` maps ``settings``, ``inputs``, ``code`` and ``libraries`` to named values; ``slot`` names the place in the
    flow (dataset and shard), so that a miss can be explained by what was there before.
    """

    stage: str
    slot: str
    key: str
    parts: dict[str, dict[str, Any]]


def plan(stage: str, slot: str, module: str, arguments: Mapping[str, Any]) -> Plan:
    """Return the plan of a stage called with ``arguments``.

    References, lists of them, and whatever else is ``Identified`` are inputs and count by content; all other arguments
    are settings and count by value. ``module`` is the module that holds the stage's function.
    """
    inputs: dict[str, str] = {}
    settings: dict[str, Any] = {}
    for name, value in arguments.items():
        contents = _contents(value)
        if contents is None:
            settings |= _flatten(name, value)
        else:
            inputs[name] = _digest(contents)
    code = reach(module, Store().root / "code")
    parts = {"settings": settings, "inputs": inputs, "code": code.files, "libraries": code.libraries}
    return Plan(stage=stage, slot=slot, key=_digest([stage, parts])[:16], parts=parts)


def _contents(value: Any) -> list[str] | None:
    """Return what identifies the content of an input; None for a setting."""
    if isinstance(value, Identified):
        return [value.fingerprint]
    refs = references(value)
    return [ref.digest for ref in refs] or None


def references(value: Any) -> list[Ref]:
    """Return the references that an argument is or lists."""
    return [item for item in (value if isinstance(value, list | tuple) else [value]) if isinstance(item, Ref)]


def _flatten(name: str, value: Any) -> dict[str, Any]:
    """Return dotted names for the fields of a settings section: ``train`` becomes ``train.epochs`` and so on."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, dict):
        return {dotted: item for key, field in value.items() for dotted, item in _flatten(f"{name}.{key}", field).items()}
    if isinstance(value, list | tuple):
        return {name: [item.model_dump(mode="json") if isinstance(item, BaseModel) else item for item in value]}
    return {name: value}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def digest_of(outputs: list[Output]) -> str:
    """Return the digest of a set of outputs: of their paths and contents, whatever their order."""
    return _digest(sorted((output.path, output.sha256) for output in outputs))


@lru_cache(maxsize=1024)
def _parsed_manifest(path: Path, mtime_ns: int) -> Manifest:
    return Manifest.model_validate_json(path.read_bytes())


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a result's folder; raises OSError or ValueError when there is none or it is damaged."""
    path = folder / MANIFEST
    return _parsed_manifest(path, path.stat().st_mtime_ns)


class Store:
    """The results on disk, below one root folder (``GARBAGE_ARTIFACTS``, else ``artifacts`` in the working folder)."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or Path(os.environ.get(ARTIFACTS, "artifacts"))).absolute()

    @property
    def downloads(self) -> Path:
        """Where archives and weights that were fetched are kept."""
        return self.root / "downloads"

    def folder(self, plan: Plan) -> Path:
        """Return where the result of ``plan`` is or will be."""
        return self.root / "stages" / plan.stage / plan.key

    def find(self, plan: Plan, verify: Verify = "sizes") -> tuple[Ref | None, str]:
        """Return the result of ``plan`` if it is there and whole, else None; and the reason in words."""
        folder = self.folder(plan)
        if not folder.exists():
            return None, self._explain(plan)
        found = damage(folder, verify)
        return (None, found) if found else (self._ref(folder), "nothing changed")

    def build(
        self,
        plan: Plan,
        reason: str,
        run: str,
        compute: Callable[[Path], Summary],
        *,
        resume: bool = False,
        verify: Verify = "sizes",
    ) -> Ref:
        """Compute the result of ``plan`` and publish it; a whole result that is already there is returned as it is.

        ``compute`` writes into a folder beside the final place and returns the summary. That folder is renamed when all
        is complete, so whatever kills the run leaves nothing that could be mistaken for a result. With ``resume`` the
        folder of a killed run is handed to ``compute`` again; otherwise it starts empty. The caller holds the plan's lock.
        """
        found, _ = self.find(plan, verify)
        if found:
            return found
        folder = self.folder(plan)
        partial = folder.with_name(f"{plan.key}.partial")
        try:
            with writing_into(self.root):
                begin(partial, resume=resume)
                manifest = _computed(plan, partial, compute, reason=reason, run=run)
                (partial / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
                publish(partial, folder)
        except Exception:
            if not resume:
                shutil.rmtree(partial, ignore_errors=True)  # of no use to anyone, and the disk may be full
            raise
        return self._ref(folder)

    def predecessor(self, plan: Plan, varies: str) -> Kept | None:
        """Return the result that was in the plan's slot before, if it differs in the input ``varies`` alone."""
        before = self._before(plan)
        try:
            manifest = read_manifest(before) if before else None
        except (OSError, ValueError):
            return None  # gone or damaged: all is computed
        if before is None or manifest is None:
            return None
        old, new = ({**parts, "inputs": {**parts["inputs"], varies: ""}} for parts in (manifest.parts, plan.parts))
        return Kept(before, _digests(manifest)) if old == new else None

    def remember(self, plan: Plan) -> None:
        """Note that ``plan`` is now in its slot: what a later miss is explained by."""
        note = self._note(plan)
        if note.exists() and note.read_text(encoding="utf-8") == plan.key:
            return
        note.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(note, plan.key.encode())

    def point(self, name: str, ref: Ref) -> Path:
        """Let ``latest/<name>`` lead to a result, so that people find it, and return that path; a name may have folders."""
        link = self.root / "latest" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        target = os.path.relpath(self.root / ref.path, link.parent)
        if not (link.is_symlink() and str(link.readlink()) == target):
            fresh = link.with_name(f".{link.name}.{os.getpid()}")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(target, target_is_directory=True)
            fresh.replace(link)
        return link

    def _ref(self, folder: Path) -> Ref:
        manifest = read_manifest(folder)
        path = folder.relative_to(self.root).as_posix()
        return Ref(stage=manifest.stage, key=manifest.key, digest=manifest.digest, path=path)

    def _note(self, plan: Plan) -> Path:
        return self.root / "stages" / plan.stage / ".last" / hashlib.sha256(plan.slot.encode()).hexdigest()[:16]

    def _explain(self, plan: Plan) -> str:
        before = self._before(plan)
        if before is None:
            return "first run"
        try:
            return differences(read_manifest(before).parts, plan.parts)
        except (OSError, ValueError):
            return "the previous result is gone"

    def _before(self, plan: Plan) -> Path | None:
        """Return the folder of the result that was in the plan's slot before, there or gone; None without one."""
        note = self._note(plan)
        return self.folder(plan.model_copy(update={"key": note.read_text(encoding="utf-8")})) if note.exists() else None


def differences(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> str:
    """Say in words what changed between the parts of two keys: at most three things, then how many more."""
    words = []
    for section, phrase in _PHRASES.items():
        before, after = old.get(section, {}), new.get(section, {})
        changed = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
        words += [phrase(name, before.get(name), after.get(name)) for name in changed]
    more = f"; and {len(words) - 3} more" if len(words) > 3 else ""
    return "; ".join(words[:3]) + more if words else "the previous result is gone"


_PHRASES: dict[str, Callable[[str, Any, Any], str]] = {
    "settings": lambda name, old, new: f"setting `{name}` {_shown(old)} -> {_shown(new)}",
    "inputs": lambda name, old, new: f"input `{name}` changed",
    "code": lambda name, old, new: f"code changed: `{name}`",
    "libraries": lambda name, old, new: f"library `{name}` {_shown(old)} -> {_shown(new)}",
}


def _shown(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else text[:37] + "..."


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


def _computed(plan: Plan, folder: Path, compute: Callable[[Path], Summary], *, reason: str, run: str) -> Manifest:
    """Compute the result of ``plan`` into a folder and return its manifest."""
    started = time.perf_counter()
    summary = compute(folder)
    outputs = _record(folder)
    return Manifest(
        stage=plan.stage,
        key=plan.key,
        parts=plan.parts,
        outputs=tuple(outputs),
        digest=digest_of(outputs),
        summary=summary,
        reason=reason,
        run=run,
        seconds=round(time.perf_counter() - started, 3),
    )


def _digests(manifest: Manifest) -> dict[str, str]:
    return {output.path: output.sha256 for output in manifest.outputs}


def _record(folder: Path) -> list[Output]:
    """Return the outputs below a folder, in path order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = list(pool.map(file_sha256, files))
    return [
        Output(path=path.relative_to(folder).as_posix(), bytes=path.stat().st_size, sha256=digest)
        for path, digest in zip(files, digests, strict=True)
    ]
