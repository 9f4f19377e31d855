"""Where deployed runs find the project and the artifacts root: the build step of ``prefect.yaml``."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline_lib.stages.root import ARTIFACTS, mark_root
from pipeline_lib.stages.store import Store

HOME = "GARBAGE_HOME"


def place() -> dict[str, str]:
    """Return what ``prefect.yaml`` fills in, and mark the artifacts root with its id.

    ``home`` is the project's folder on the workers (``GARBAGE_HOME``, else this one); ``artifacts`` the artifacts root
    (``GARBAGE_ARTIFACTS``, else ``artifacts`` in ``home``); ``root_id`` what distinguishes that root from others.
    """
    root = artifacts()
    return {"home": str(_home()), "artifacts": str(root), "root_id": mark_root(root)}


def artifacts() -> Path:
    """Return the artifacts root of this project: ``GARBAGE_ARTIFACTS``, else ``artifacts`` in its folder."""
    return Store(None if os.environ.get(ARTIFACTS) else _home() / "artifacts").root


def _home() -> Path:
    return Path(os.environ.get(HOME) or Path(__file__).parent.parent).absolute()
