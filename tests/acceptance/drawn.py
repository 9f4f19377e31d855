"""Pictures whose labels are known: shapes of ten kinds on textured grounds, no two alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE = 224
Point = tuple[float, float]


def polygon(corners: int, inner: float = 1.0) -> Callable[[float], list[Point]]:
    """The outline of a polygon, or of a star when every other corner is nearer to the centre."""

    def outline(turn: float) -> list[Point]:
        angles = [turn + 2 * math.pi * number / corners for number in range(corners)]
        radii = [inner if number % 2 else 1.0 for number in range(corners)]
        return [(radius * math.cos(angle), radius * math.sin(angle)) for radius, angle in zip(radii, angles, strict=True)]

    return outline


def bar(width: float) -> Callable[[float], list[Point]]:
    def outline(turn: float) -> list[Point]:
        corners = [(1, width), (-1, width), (-1, -width), (1, -width)]
        return [(x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)) for x, y in corners]

    return outline


SHAPES: dict[str, tuple[Callable[[float], list[Point]], bool]] = {
    "bar": (bar(0.15), True),
    "brick": (bar(0.55), True),
    "frame": (polygon(4), False),
    "hexagon": (polygon(6), True),
    "disc": (polygon(60), True),
    "ring": (polygon(60), False),
    "gear": (polygon(24, 0.8), True),
    "spark": (polygon(8, 0.3), True),
    "star": (polygon(10, 0.45), True),
    "triangle": (polygon(3), True),
}
"""Outline, and whether it is filled."""


def draw(shape: str, rng: np.random.Generator) -> Image.Image:
    """A shape of random colour, size, place and turn on a random ground, with noise."""
    coarse = Image.fromarray(rng.integers(0, 256, (7, 7, 3), dtype=np.uint8))
    picture = coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    outline, filled = SHAPES[shape]
    radius = rng.uniform(35, 80)
    x, y = rng.uniform(radius, SIDE - radius, 2)
    points = [(x + radius * across, y + radius * down) for across, down in outline(rng.uniform(0, 2 * math.pi))]
    colour = tuple(int(value) for value in rng.integers(0, 256, 3))
    drawing = ImageDraw.Draw(picture)
    if filled:
        drawing.polygon(points, fill=colour)
    else:
        drawing.line([*points, *points[:2]], fill=colour, width=int(radius / 4), joint="curve")
    pixels = np.asarray(picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, 2))), np.float32)
    noisy = pixels + rng.normal(0, rng.uniform(0, 20), pixels.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def write_shapes(root: Path, train: int = 66, test: int = 30) -> Path:
    """Write an image folder with so many pictures of each of the ten shapes."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("test", test)):
        for shape in SHAPES:
            folder = root / split / shape
            folder.mkdir(parents=True)
            for number in range(count):
                draw(shape, rng).save(folder / f"{number:03}.jpg", quality=92)
    return root
