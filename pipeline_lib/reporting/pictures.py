"""Pictures for a report: read from files or drawn, small enough to be mailed around."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image as PillowImage

from pipeline_lib.reporting.blocks import Block, Image, Images

# A report that holds a contact sheet, a sheet of leaks and a dozen figures stays below 2 MB.
_MOST_BYTES = 350_000
_WIDTHS = (1800, 1500, 1200, 1000, 800, 600)


def drawn(name: str, data: bytes | None, alt: str, caption: str = "") -> list[Image]:
    """Return a drawn figure as a list of one, or of none where there was nothing to draw."""
    if data is None:
        return []
    width, height = _size(data)
    return [Image(f"{name}.png", data, width, height, alt, caption=caption)]


def photograph(name: str, path: Path, alt: str, *, heading: str = "", caption: str = "", tag: str = "") -> Image:
    """Return a picture file as it is if it is a small JPEG, else as a JPEG narrow enough to be small."""
    data = path.read_bytes()
    with PillowImage.open(io.BytesIO(data)) as picture:
        if picture.format != "JPEG" or len(data) > _MOST_BYTES:
            data = _shrunk(picture.convert("RGB"))
    width, height = _size(data)
    return Image(f"{name}.jpg", data, width, height, alt, heading, caption, tag)


def picture_file(name: str, path: Path, title: str, caption: str) -> list[Block]:
    """Return a picture file with its title as a list of one block, or of none where there is no such file."""
    return [Images([photograph(name, path, title, caption=caption)], title=title)] if path.is_file() else []


def _size(data: bytes) -> tuple[int, int]:
    with PillowImage.open(io.BytesIO(data)) as picture:
        return picture.size


def _shrunk(picture: PillowImage.Image) -> bytes:
    """Return a JPEG of at most `_MOST_BYTES`, as wide as it can be; the narrowest one where even that is larger."""
    for width in _WIDTHS:
        copy = picture.copy()
        copy.thumbnail((width, 4 * width))
        file = io.BytesIO()
        copy.save(file, "JPEG", quality=82, optimize=True)
        if file.tell() <= _MOST_BYTES:
            break
    return file.getvalue()
