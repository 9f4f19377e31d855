"""What lies behind and under an object: studio paper, a table, wood, cloth, concrete, tiles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from pipeline_lib.data.sample.colour import near, pick
from pipeline_lib.data.sample.geometry import Colour
from pipeline_lib.data.sample.render import Pixels

_WOODS: tuple[Colour, ...] = ((0.72, 0.53, 0.34), (0.5, 0.33, 0.2), (0.83, 0.69, 0.5), (0.62, 0.58, 0.53))
_CLOTHS: tuple[Colour, ...] = ((0.35, 0.42, 0.55), (0.7, 0.3, 0.3), (0.75, 0.72, 0.66), (0.3, 0.45, 0.38), (0.5, 0.5, 0.52))
_PAPERS: tuple[Colour, ...] = (
    (0.55, 0.72, 0.86),
    (0.86, 0.74, 0.56),
    (0.7, 0.8, 0.66),
    (0.85, 0.66, 0.68),
    (0.3, 0.36, 0.48),
    (0.24, 0.24, 0.26),
)


def backdrop(rng: np.random.Generator, size: int) -> Pixels:
    """Return a random background, shape (3, size, size), 0..1."""
    kind: Callable[[np.random.Generator, int], Pixels] = pick(
        rng, (_studio, _studio, _coloured, _coloured, _table, _wood, _wood, _cloth, _concrete, _tiles)
    )
    return kind(rng, size)


def cloud(rng: np.random.Generator, size: int, cells: int) -> Pixels:
    """Return smooth noise with about ``cells`` spots a side, shape (size, size), about -1..1."""
    coarse = Image.fromarray(rng.uniform(-1, 1, (cells, cells)).astype(np.float32))
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC))


def slope(rng: np.random.Generator, size: int) -> Pixels:
    """Return a plane that rises from -1 to 1 across the picture in a random direction, shape (size, size)."""
    across, down = _turned_grid(rng, size)
    return np.asarray(across + 0.3 * down)


def _turned_grid(rng: np.random.Generator, size: int) -> tuple[Pixels, Pixels]:
    """Return two coordinates, about -1..1, in a random direction and across it."""
    line = np.linspace(-1, 1, size, dtype=np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return c * line + s * line[:, None], c * line[:, None] - s * line


def _tinted(colour: Colour, brightness: Pixels) -> Pixels:
    return np.asarray(colour, dtype=np.float32)[:, None, None] * brightness


def _studio(rng: np.random.Generator, size: int) -> Pixels:
    grey = rng.uniform(0.82, 0.98)
    colour = near(rng, (grey, grey, grey), 0.02)
    return _tinted(colour, 1 + np.float32(rng.uniform(0, 0.1)) * slope(rng, size))


def _coloured(rng: np.random.Generator, size: int) -> Pixels:
    return _tinted(near(rng, pick(rng, _PAPERS), 0.1), 1 + np.float32(rng.uniform(0.05, 0.25)) * slope(rng, size))


def _table(rng: np.random.Generator, size: int) -> Pixels:
    """A wall above a table top, parted by a soft edge."""
    rows = np.linspace(0, 1, size, dtype=np.float32)[:, None]
    edge = np.clip((rows - rng.uniform(0.3, 0.55)) * rng.uniform(15, 60) + 0.5, 0, 1).astype(np.float32)
    wall = _tinted(near(rng, pick(rng, _PAPERS), 0.1), 0.95 + np.float32(0.08) * cloud(rng, size, 4))
    top = _tinted(near(rng, pick(rng, _WOODS + _CLOTHS), 0.1), 0.85 + np.float32(0.25) * rows)
    return wall + (top - wall) * edge


def _wood(rng: np.random.Generator, size: int) -> Pixels:
    along, across = _turned_grid(rng, size)
    bend = cloud(rng, size, 4)
    rings = np.sin(np.float32(rng.uniform(14, 34)) * across + np.float32(rng.uniform(1, 4)) * bend + 2 * along)
    grain = np.sin(np.float32(rng.uniform(90, 150)) * across + 5 * bend)
    plank = np.float32(rng.uniform(1.2, 3.5)) * (across + 1)
    gap = np.abs(plank - np.rint(plank)) < 0.02
    return _tinted(near(rng, pick(rng, _WOODS), 0.07), 0.95 + 0.06 * rings + 0.03 * grain + 0.03 * bend - 0.3 * gap)


def _cloth(rng: np.random.Generator, size: int) -> Pixels:
    along, across = _turned_grid(rng, size)
    pitch = np.float32(rng.uniform(80, 160))
    weave = np.sin(pitch * along) * np.sin(pitch * across)
    return _tinted(near(rng, pick(rng, _CLOTHS), 0.1), 0.92 + 0.1 * weave + 0.12 * cloud(rng, size, 4))


def _concrete(rng: np.random.Generator, size: int) -> Pixels:
    spots = 0.1 * cloud(rng, size, 5) + 0.07 * cloud(rng, size, 20) + 0.06 * cloud(rng, size, 90)
    grey = rng.uniform(0.45, 0.75)
    return _tinted(near(rng, (grey, grey * 0.98, grey * 0.95), 0.03), 0.98 + spots)


def _tiles(rng: np.random.Generator, size: int) -> Pixels:
    along, across = _turned_grid(rng, size)
    pitch, shift = np.float32(rng.uniform(0.8, 2.0)), rng.uniform(0, 1, 2).astype(np.float32)
    joint = np.zeros((size, size), dtype=np.bool_)
    for line in (along * pitch + shift[0], across * pitch + shift[1]):
        joint |= np.abs(line - np.rint(line)) < 0.015
    shade = rng.uniform(0.6, 0.88)
    return _tinted(near(rng, (shade, shade, shade * 0.97), 0.06), 0.97 + 0.05 * cloud(rng, size, 6) - 0.25 * joint)
