"""How a page shows an album: which piles, their pictures, and the cells of its matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pipeline_lib.reporting.blocks import Album, Image, Pile

BLUE, VERMILION = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)
"""What is right and what is wrong, as in the figures."""

GROUND, INK, PAPER = "#98a1ae", "#1d2733", "#ffffff"
"""The ground of a group's cells; numbers on a light and on a dark ground."""

FAINTEST, DARK = 0.3, 0.45
"""A single photograph among many must still be seen; from this share on the ground is dark."""


class Cell(NamedTuple):
    """A cell of a matrix: its pile, if it has one, with its number in the album, its colours, and whether it is in a group."""

    pile: Pile | None
    number: int
    ground: str
    ink: str
    grouped: bool


def cells(album: Album) -> list[list[Cell]]:
    """Return an album's matrix, row by row."""
    at = {(pile.row, pile.column): number for number, pile in enumerate(album.piles)}
    places = range(len(album.names))
    return [[_cell(album, at.get((row, column)), row, column) for column in places] for row in places]


def _cell(album: Album, number: int | None, row: int, column: int) -> Cell:
    grouped = bool(album.groups) and album.groups[row] == album.groups[column]
    if number is None:
        return Cell(None, -1, GROUND if grouped else "", INK, grouped)
    pile = album.piles[number]
    strength = FAINTEST + (1 - FAINTEST) * pile.share
    full = BLUE if row == column else VERMILION
    ground = "".join(f"{round(255 - strength * (255 - part)):02x}" for part in full)
    return Cell(pile, number, f"#{ground}", PAPER if pile.share > DARK else INK, grouped)


def first_piles(album: Album) -> list[Pile]:
    """Return the piles that a page with other things on it shows."""
    return album.piles[: album.first] if album.first else album.piles


def pictures_of(albums: Iterable[tuple[Album, Sequence[Pile]]]) -> dict[str, Image]:
    """Return the pictures of these piles of albums by name, each once."""
    shown = {name for _, piles in albums for pile in piles for name, _ in pile.photographs}
    return {image.name: image for album, _ in albums for image in album.images if image.name in shown}
