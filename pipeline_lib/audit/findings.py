"""What later stages read of the audit's findings. Kept apart from the audit, so that its code is not part of their keys."""

from __future__ import annotations

from pathlib import Path

from pipeline_lib.files.table import read_table

IMAGES = "images.csv"
"""One row an image: split, class, name, what it is, and what was found about it."""


def read_groups(folder: Path) -> dict[str, int]:
    """Return the group of each image by its key ``<split>/<class>/<name>``; images of one group show one picture."""
    return {_key(row): int(row["group"]) for row in read_table(folder / IMAGES)}


def read_leaked(folder: Path) -> frozenset[str]:
    """Return the keys ``test/<class>/<name>`` of the test images whose picture is also in train."""
    return frozenset(_key(row) for row in read_table(folder / IMAGES) if row["leaked"] == "1")


def _key(row: dict[str, str]) -> str:
    return f"{row['split']}/{row['class']}/{row['name']}"
