"""One photograph: an object in a random pose, before a background, under a light, through a camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline_lib.data.sample.backdrop import backdrop, cloud
from pipeline_lib.data.sample.geometry import Patch, turned
from pipeline_lib.data.sample.render import Pixels, Rendering, View, render


@dataclass(frozen=True)
class Model:
    """An object and how it may be met.

    Attributes:
        patches: Its surfaces: y up when it stands, facing z when it lies.
        upright: Probability that it stands on its base instead of lying on its back, 0..1.
        elevation: Range of the angle from which a standing object is seen, degrees above the horizon.
    """

    patches: list[Patch]
    upright: float = 0.0
    elevation: tuple[float, float] = (5.0, 45.0)


def photograph(model: Model, rng: np.random.Generator, size: int) -> Image.Image:
    """Take one RGB picture of ``size`` pixels a side of an object."""
    rendering = render(model.patches, _view(model, rng), size, softness=rng.uniform(0.015, 0.05))
    picture = backdrop(rng, size)
    _compose(picture, rendering, strength=rng.uniform(0.35, 0.75))
    return _developed(picture, rng)


def _view(model: Model, rng: np.random.Generator) -> View:
    if rng.random() < model.upright:
        tilt = turned(rng.uniform(*model.elevation), 0.0, rng.normal(0, 8))
        rotation, base = tilt @ turned(0.0, rng.uniform(0, 360), 0.0), 1
    else:
        lean = np.clip(rng.normal(0, 16, 2), -35, 35)
        rotation, base = turned(lean[0] - 8, lean[1], rng.uniform(0, 360)), 2
    light = np.array([rng.uniform(-0.8, 0.8), rng.uniform(0.3, 1.0), 0.9])
    return View(
        rotation=rotation,
        ground=rotation[:, base],
        light=light / np.linalg.norm(light),
        distance=rng.uniform(3.0, 7.0),
        extent=rng.uniform(0.62, 0.95),
        place=(rng.uniform(0.15, 0.85), rng.uniform(0.15, 0.85)),
    )


def _compose(picture: Pixels, rendering: Rendering, strength: float) -> None:
    """Lay shadow and object on a background, in place."""
    colour, opacity = rendering.layer[:3], rendering.layer[3]
    picture *= (1 - np.float32(strength) * rendering.shadow) * (1 - opacity)
    picture += colour


def _developed(picture: Pixels, rng: np.random.Generator) -> Image.Image:
    """Apply what a camera adds, in place: blur, exposure, colour cast, uneven light, sensor noise."""
    size = picture.shape[-1]
    _soften(picture, np.float32(rng.uniform(0.0, 0.25)))
    gains = (rng.uniform(0.85, 1.1) * rng.normal(1, 0.03, 3)).astype(np.float32)
    falloff = 1 + np.float32(rng.uniform(0, 0.12)) * cloud(rng, size, 3)
    picture *= gains[:, None, None] * falloff
    picture += np.float32(rng.uniform(0.003, 0.02)) * rng.standard_normal((size, size), dtype=np.float32)
    picture *= 255
    pixels = np.clip(picture, 0, 255, out=picture).astype(np.uint8)
    return Image.merge("RGB", [Image.fromarray(band) for band in pixels])


def _soften(picture: Pixels, share: np.float32) -> None:
    """Give ``share`` of each pixel to either neighbour, along columns and along rows, in place."""
    rows = (picture[:, 1:-1], picture[:, :-2], picture[:, 2:])
    columns = (picture[..., 1:-1], picture[..., :-2], picture[..., 2:])
    for middle, before, after in (rows, columns):
        middle += share * (before + after - 2 * middle)
