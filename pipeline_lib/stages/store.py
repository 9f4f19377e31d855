"""The results on disk: found by their key, verified, computed when they are missing, published atomically.

A stage's result is a folder ``stages/<stage>/<key>/`` with its outputs and a ``manifest.json``. The key is a hash of all
that the result depends on (``Plan``); a folder that bears the key, with outputs as recorded, is the result. The store knows
nothing of Prefect.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

from pipeline_lib.errors import PipelineError, writing_into
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.stages.kept import Kept
from pipeline_lib.stages.key import Plan, differences
from pipeline_lib.stages.publishing import MANIFEST, begin, publish, write_atomically
from pipeline_lib.stages.result import Manifest, Output, Ref, Summary, Verify, damage, digest_of, read_manifest
from pipeline_lib.stages.root import artifacts_root
from pipeline_lib.stages.sharing import FETCHED, IN_REMOTE, Sharing, sharing


class Store:
    """The results on disk, below one root folder (``GARBAGE_ARTIFACTS``, else ``artifacts`` in the working folder)."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root.absolute() if root else artifacts_root()

    @property
    def downloads(self) -> Path:
        """Where archives and weights that were fetched are kept."""
        return self.root / "downloads"

    @property
    def shared(self) -> Sharing | None:
        """What results are shared through with other machines; None if the environment names no remote store."""
        return sharing(self.root)

    def folder(self, plan: Plan) -> Path:
        """Return where the result of ``plan`` is or will be."""
        return self.root / "stages" / plan.stage / plan.key

    def find(self, plan: Plan, verify: Verify = "sizes", *, fetch: bool = True) -> tuple[Ref | None, str]:
        """Return the result of ``plan`` if it is there and whole, else None; and the reason in words.

        One that is not here is fetched from the remote store. Without ``fetch`` only its manifest is, for a plan.
        """
        folder = self.folder(plan)
        wrong = damage(folder, verify) if folder.exists() else ""
        if folder.exists() and not wrong:
            return self._ref(folder), "nothing changed"
        if self.shared and not fetch and (glimpsed := self.shared.glimpse(plan.stage, plan.key)):
            return self._ref(glimpsed), IN_REMOTE
        fetched = self.shared.fetch(plan.stage, plan.key, verify) if self.shared and fetch else None
        if fetched and fetched.here:
            return self._ref(folder), f"{FETCHED}, here {wrong}" if wrong else FETCHED
        return None, wrong or (fetched and fetched.damage) or self._explain(plan)

    def fetch(self, ref: Ref) -> Path:
        """Return the folder of a result on this machine, which may not be the one that has computed it.

        Raises:
            PipelineError: The result is neither here nor in the remote store.
        """
        folder = self.root / ref.path
        if not folder.exists() and not (self.shared and self.shared.fetch(ref.stage, ref.key).here):
            raise _nowhere(folder)
        return folder

    def fetch_part(self, ref: Ref) -> Ref:
        """Return a reference that leads to the files of a part on this machine, in the result or in a folder of the part alone.

        Raises:
            PipelineError: The part is neither here nor in the remote store.
        """
        if ref.whole or (self.root / ref.path).exists():
            self.fetch(ref)
            return ref
        part = self.shared.fetch_part(ref) if self.shared else None
        if part is None:
            raise _nowhere(self.root / ref.path)
        return part

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
        What was computed is published in the remote store too, if there is one that this machine writes to.
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
                with self.shared.turn(plan.stage, plan.key) if self.shared else nullcontext():
                    publish(partial, folder)
        except Exception:
            if not resume:
                shutil.rmtree(partial, ignore_errors=True)  # of no use to anyone, and the disk may be full
            raise
        if self.shared:
            self.shared.offer(folder)
        return self._ref(folder)

    def predecessor(self, plan: Plan, varies: Collection[str]) -> Kept | None:
        """Return the result that was in the plan's slot before, if it differs in no part but the inputs ``varies``."""
        before = self._before(plan)
        try:
            manifest = read_manifest(before) if before else None
        except (OSError, ValueError):
            return None  # gone or damaged: all is computed
        if before is None or manifest is None:
            return None
        old, new = ({**parts, "inputs": {**parts["inputs"], **dict.fromkeys(varies)}} for parts in (manifest.parts, plan.parts))
        return Kept(before, manifest.digests) if old == new else None

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


def _nowhere(folder: Path) -> PipelineError:
    return PipelineError(
        f"{folder} is not on this machine, and no remote store has it: let GARBAGE_REMOTE name one that the other machine "
        "writes to"
    )


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


def _record(folder: Path) -> list[Output]:
    """Return the outputs below a folder, in path order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = list(pool.map(file_sha256, files))
    return [
        Output(path=path.relative_to(folder).as_posix(), bytes=path.stat().st_size, sha256=digest)
        for path, digest in zip(files, digests, strict=True)
    ]
