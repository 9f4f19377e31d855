"""A contact sheet of leaked test images beside the training images of the same source."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from math import ceil
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont, ImageOps

from pipeline_lib.images.read import read_image

SHEET_LEAKS = 24
"""Leaks on the sheet; the tables list all."""

COLUMNS, TILE, SEAM, GAP, LINE = 4, 132, 2, 18, 16
"""Pairs in a row; pixels: side of a picture, space within a pair and between pairs, height of a line of text."""

_PAIR = 2 * TILE + SEAM
_PAPER, _INK, _FAINT, _FRAME = "white", "#222222", "#666666", "#bbbbbb"


class Leak(NamedTuple):
    """A test image whose source is also in train.

    Attributes:
        image: Key ``test/<class>/<name>``.
        train: Key of the training image to which it is tied most closely.
        kind: Kind of the evidence, or `INDIRECT`.
        how: What was done to the training image to get the test image, in words.
    """

    image: str
    train: str
    kind: str
    how: str


def draw_leaks(path: Path, dataset: Path, leaks: Sequence[Leak]) -> None:
    """Write a JPEG of the first `SHEET_LEAKS` leaks: the test image on the left, the training image on the right.

    Args:
        path: The file to write.
        dataset: The folder that the leaks' keys are relative to.
        leaks: At least one leak.
    """
    shown = leaks[:SHEET_LEAKS]
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // COLUMNS)
    width, height = _PAIR + GAP, TILE + 3 * LINE + GAP
    head = GAP + 2 * LINE
    title = f"Test images (left) whose source is also in train (right): {len(shown)} of {len(leaks)}"
    size = max(columns * width + GAP, round(_font(15).getlength(title)) + 2 * GAP), head + rows * height
    sheet = Image.new("RGB", size, _PAPER)
    ImageDraw.Draw(sheet).text((GAP, GAP), title, fill=_INK, font=_font(15))
    for number, leak in enumerate(shown):
        row, column = divmod(number, COLUMNS)
        _draw_pair(sheet, GAP + column * width, head + row * height, dataset, leak)
    sheet.save(path, "JPEG", quality=88)


def _draw_pair(sheet: Image.Image, left: int, top: int, dataset: Path, leak: Leak) -> None:
    draw = ImageDraw.Draw(sheet)
    for number, key in enumerate((leak.image, leak.train)):
        picture = ImageOps.pad(read_image(dataset / key), (TILE, TILE), Image.Resampling.BILINEAR, color=_PAPER)
        corner = left + number * (TILE + SEAM)
        sheet.paste(picture, (corner, top))
        # Many pictures are objects on white: without a frame two of them run into one.
        draw.rectangle((corner, top, corner + TILE - 1, top + TILE - 1), outline=_FRAME)
    captions = ((leak.image, _INK), (leak.train, _INK), (leak.how, _FAINT))
    for number, (text, colour) in enumerate(captions):
        place = left, top + TILE + 2 + number * LINE
        draw.text(place, _fitted(text, _PAIR, 12), fill=colour, font=_font(12))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _fitted(text: str, width: int, size: int) -> str:
    """Return the text, its middle left out where it is wider than ``width`` pixels."""
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    ends = [f"{text[:kept]} … {text[len(text) - kept :]}" for kept in range(len(text) // 2)]
    return ends[max(0, bisect_right(ends, width, key=lambda end: ceil(font.getlength(end))) - 1)]
