"""Where deployed runs find the project and the artifacts root: the build step of ``prefect.yaml``."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline_lib.stages.root import mark_root
from pipeline_lib.stages.store import Store

HOME = "GARBAGE_HOME"


def place() -> dict[str, str]:
    """Return what ``prefect.yaml`` fills in, and mark the artifacts root with its id.

    ``home`` is the project's folder on the workers (``GARBAGE_HOME``, else this one); ``artifacts`` the artifacts root
    (``GARBAGE_ARTIFACTS``, else ``artifacts`` in ``home``); ``root_id`` what distinguishes that root from others.
    """
    home = Path(os.environ.get(HOME) or Path(__file__).parent.parent).absolute()
    root = Store(None if os.environ.get("GARBAGE_ARTIFACTS") else home / "artifacts").root
    return {"home": str(home), "artifacts": str(root), "root_id": mark_root(root)}
