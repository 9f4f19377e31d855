"""What later stages read of the sources found. Kept apart from what finds them, so that its code is not part of their keys."""

from __future__ import annotations

from pathlib import Path

from pipeline_lib.files.table import read_table

IMAGES = "images.csv"
"""One row an image: split, class, name, what it is, and what was found about it."""

PAIRS = "pairs.csv"
"""One row a pair of images that belong together, and why."""


def read_groups(folder: Path) -> dict[str, int]:
    """Return the source of each image by its key ``<split>/<class>/<name>``."""
    return {_key(row): int(row["source"]) for row in read_table(folder / IMAGES)}


def read_leaked(folder: Path) -> frozenset[str]:
    """Return the keys ``test/<class>/<name>`` of the test images whose source is also in train."""
    return frozenset(_key(row) for row in read_table(folder / IMAGES) if row["leaked"] == "1")


def _key(row: dict[str, str]) -> str:
    return f"{row['split']}/{row['class']}/{row['name']}"
