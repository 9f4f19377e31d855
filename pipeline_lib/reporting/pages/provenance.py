"""What a report was made with: versions of Python and of the libraries that matter, and the commit of the code."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

LIBRARIES = ("mindspore", "prefect", "numpy", "pillow", "scikit-learn")


def versions() -> dict[str, str]:
    """Return the versions of Python and of `LIBRARIES`."""
    return {"python": platform.python_version(), **{library: importlib.metadata.version(library) for library in LIBRARIES}}


def commit() -> str | None:
    """Return the commit of the code, marked when the working tree differs from it; None outside of a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # a fixed command
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None
