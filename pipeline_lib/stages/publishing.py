"""How results come to be: a folder of one's own, which is renamed into place when all is complete."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from pipeline_lib.errors import PipelineError

MANIFEST = "manifest.json"


def begin(partial: Path, *, resume: bool) -> None:
    """Make the folder that a result is written into: empty, or with what a killed run left in it.

    What was left is copied, without the manifest. The run may have been killed when its files were read-only already, or
    have been another user's; the copies can be written to.

    Raises:
        PipelineError: What was left cannot be removed.
    """
    if not resume:
        _remove(partial)
    if partial.exists():
        mine = partial.with_suffix(".taken")
        _remove(mine)
        shutil.copytree(partial, mine, ignore=_manifest_of(partial), copy_function=shutil.copyfile)
        _remove(partial)
        mine.rename(partial)
    partial.mkdir(parents=True, exist_ok=True)


def _manifest_of(partial: Path) -> Callable[[str, list[str]], set[str]]:
    return lambda folder, names: {MANIFEST} if Path(folder) == partial else set()


def _remove(folder: Path) -> None:
    """Remove a folder, if it is there."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except PermissionError as error:
        raise PipelineError(
            f"{folder}, which a killed run left, cannot be removed: "
            "it belongs to another user - remove it as that user and run again"
        ) from error


def publish(partial: Path, folder: Path) -> None:
    """Rename a complete result into place; a damaged one that is already there makes room first."""
    for path in partial.rglob("*"):
        if path.is_file():
            path.chmod(0o444)  # results are shared by all later runs: an accidental edit should fail
    if folder.exists():
        old = folder.with_name(f"{folder.name}.old")
        _remove(old)
        folder.rename(old)
        partial.rename(folder)
        shutil.rmtree(old)
    else:
        partial.rename(folder)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that other processes see the old content or the new, never a half."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
