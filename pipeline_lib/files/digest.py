"""The digest that identifies files."""

from __future__ import annotations

import hashlib
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes in hexadecimal, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def has_sha256(path: Path, wanted: str) -> bool:
    """Return whether a file exists whose sha256 is, or begins with, ``wanted`` in hexadecimal."""
    return path.is_file() and file_sha256(path).startswith(wanted.lower())
