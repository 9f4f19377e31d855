"""Parts that several objects share: labels, rims, handles, dents."""

from __future__ import annotations

import numpy as np

from pipeline_lib.data.sample.colour import BLACK, WHITE, Field, near, pick, shaded, vivid, writing
from pipeline_lib.data.sample.geometry import (
    Array,
    Colour,
    Finish,
    Paint,
    Patch,
    Surface,
    blots,
    curve,
    lathe,
    pasted,
    patch,
    placed,
    rectangles,
    rod,
    sweep,
)

AROUND = 44
"""Cells around a body of revolution: enough that its outline looks round."""


def label(rng: np.random.Generator, surface: Surface, span: tuple[float, float], paper: Colour) -> list[Patch]:
    """Wrap a printed label around a body, over the given range of v: a band, and on two sides an emblem, a name and text."""
    low, tall = span[0], span[1] - span[0]
    accent, ink = vivid(rng), pick(rng, (BLACK, (0.1, 0.2, 0.5))) if sum(paper) > 1.5 else WHITE
    band, name, reach = rng.uniform(0.06, 0.25), rng.uniform(0.4, 0.6), rng.uniform(0.1, 0.2)
    bands = rectangles(np.array([(0.0, 1.0, low, low + band * tall), (0.0, 1.0, low + 0.94 * tall, low + tall)]), pieces=48)
    emblem = blots(np.array([(0.25, low + (band + 0.25) * tall)]), np.tile((0.4 * reach, reach * tall), (1, 20, 1)))
    title = writing(rng, (0.1, 0.42, low + name * tall, low + 0.9 * tall), 1, letters=int(rng.integers(4, 8)))
    text = writing(rng, (0.1, 0.42, low + (band + 0.06) * tall, low + name * tall), 3, letters=12)
    return [
        patch(surface, paper, (48, 4), v=span, rank=1),
        pasted(surface, bands, accent),
        pasted(surface, both_sides(rectangles(text)), ink),
        pasted(surface, both_sides(np.concatenate([emblem, rectangles(title, pieces=2)])), accent, rank=3),
    ]


def both_sides(corners: Array) -> Array:
    """Repeat what is pasted on one side of a body on its far side, half a turn away."""
    return np.concatenate([corners, corners + np.array([0.5, 0.0])])


def screw_cap(rng: np.random.Generator, radius: float, low: float, high: float) -> Patch:
    """Return a ribbed cap between two heights on the y axis."""
    colour = near(rng, pick(rng, (WHITE, (0.1, 0.3, 0.7), (0.8, 0.1, 0.1), (0.1, 0.5, 0.25), vivid(rng))))
    profile = curve([(0.8 * radius, low), (radius, low), (radius, high - 0.02), (0.9 * radius, high), (0, high)])
    return patch(lathe(profile), lambda u, v: shaded(colour, 0.88 + 0.12 * np.cos(40 * np.pi * u)), (40, 8))


def ring(radius: float, height: float, thickness: float, paint: Paint, finish: Finish) -> Patch:
    """Return a rim: a thin torus around the y axis."""
    turns = np.linspace(0, 2 * np.pi, 9)
    profile = curve([(radius + thickness * np.cos(a), height + thickness * np.sin(a)) for a in turns])
    return patch(lathe(profile), paint, (AROUND, 8), finish=finish)


def ear(
    top: tuple[float, float], foot: tuple[float, float], reach: float, thickness: float, paint: Paint, finish: Finish
) -> Patch:
    """Return a handle from one point (x, y) of a side to another, standing out by ``reach``."""
    far = max(top[0], foot[0]) + reach
    points = [(*top, 0.0), (far, top[1], 0.0), (far, 0.5 * (top[1] + foot[1]), 0.0), (*foot, 0.0)]
    return patch(sweep(curve(points, smooth=True), rod(thickness)), paint, (12, 36), finish=finish)


def dented(surface: Surface, field: Field, amount: float) -> Surface:
    """Return the surface pushed away from the y axis where the field is positive and towards it where negative."""

    def at(u: Array, v: Array) -> Array:
        points = surface(u, v)
        points[..., ::2] *= (1 + amount * field(u, v))[..., None]
        return points

    return at


def spun(rng: np.random.Generator, patches: list[Patch]) -> list[Patch]:
    """Turn a body about its own axis, so that no side is always in front."""
    return placed(patches, turn=(0.0, rng.uniform(0, 360), 0.0))
