"""Small pictures for galleries."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

SIDE = 160
"""Pixels of the longer side; a gallery shows four in a row."""


def write_thumbnail(path: Path, image: Image.Image) -> None:
    """Write a small JPEG of a picture; its folder is made if need be."""
    path.parent.mkdir(exist_ok=True)
    thumbnail = image.convert("RGB")
    thumbnail.thumbnail((SIDE, SIDE))
    thumbnail.save(path, "JPEG", quality=85)
