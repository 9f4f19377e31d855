"""The artifacts root and its identity: a worker that would write into another folder than the others is noticed."""

from __future__ import annotations

import os
import platform
import uuid
from pathlib import Path

from pipeline_lib.errors import PipelineError
from pipeline_lib.stages.publishing import write_atomically

ARTIFACTS = "GARBAGE_ARTIFACTS"
MARKER = ".root"
ROOT_ID = "GARBAGE_ROOT_ID"


def artifacts_root() -> Path:
    """Return the folder of all that runs write: ``GARBAGE_ARTIFACTS`` unless it is empty, else ``artifacts`` here."""
    return Path(os.environ.get(ARTIFACTS) or "artifacts").absolute()


def mark_root(root: Path) -> str:
    """Return the id of an artifacts root; a root without one, or with an empty marker, is given a random one."""
    marker = root / MARKER
    known = _read(marker)
    if not known:
        root.mkdir(parents=True, exist_ok=True)
        write_atomically(marker, uuid.uuid4().hex.encode())
    return known or _read(marker)


def check_root() -> None:
    """Compare this machine's artifacts root with the one that was deployed (``GARBAGE_ROOT_ID``), if any was.

    Raises:
        PipelineError: The folder is not there, or is another one.
    """
    wanted = os.environ.get(ROOT_ID)
    if not wanted:
        return
    root = artifacts_root()
    if (found := _read(root / MARKER)) != wanted:
        what = f"is another folder (its id is {found})" if found else "is missing or empty there"
        raise PipelineError(
            f"The artifacts root {root} on {platform.node()} is not the one this deployment was made with: it {what}, wanted "
            f"{wanted} - mount the shared folder at that path on this host, or run `make deploy` again where the right one is"
        )


def _read(marker: Path) -> str:
    try:
        return marker.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
