"""Peel of oranges and bananas."""

from __future__ import annotations

import numpy as np

from pipeline_lib.data.sample.colour import Painter, mixed, near, pick, ripple, shaded, speckled
from pipeline_lib.data.sample.geometry import (
    MATT,
    SATIN,
    Array,
    Colour,
    Patch,
    blots,
    curve,
    ellipsoid,
    pasted,
    patch,
    placed,
    rod,
    sweep,
)
from pipeline_lib.data.sample.scene import Model

_PITH: Colour = (0.95, 0.88, 0.72)


def orange_peel(rng: np.random.Generator) -> Model:
    """Peel of an orange: a spiral strip, petals opened flat, or an emptied half."""
    skin = near(rng, pick(rng, ((0.95, 0.55, 0.1), (0.97, 0.62, 0.15), (0.9, 0.45, 0.08))), 0.05)
    kind = pick(rng, (_spiral_peel, _opened_peel, _half_peel))
    return kind(rng, skin)


def _spiral_peel(rng: np.random.Generator, skin: Colour) -> Model:
    turns, stretch, wide = rng.uniform(1.6, 3.0), rng.uniform(0.2, 0.9), rng.uniform(0.2, 0.3)
    edge = ripple(rng, u=2, v=6)

    def strip(u: Array, v: Array) -> Array:
        rise = (v - 0.5) * 0.86 * np.pi + (u - 0.5) * (wide * 2.6) + 0.05 * edge(u, v) * np.abs(u - 0.5)
        angle = 2 * np.pi * turns * v
        r = np.cos(np.clip(rise, -1.5, 1.5)) * (1 + 0.15 * np.sin(3 * v))
        return np.stack([r * np.sin(angle), np.sin(rise) + stretch * (2 * v - 1), r * np.cos(angle)], axis=-1)

    rind, pith = _rind(rng, skin), _pith(rng)
    return Model([patch(strip, rind, (8, 90), back=pith, finish=SATIN)], upright=0.5, elevation=(0, 50))


def _opened_peel(rng: np.random.Generator, skin: Colour) -> Model:
    """A peel opened from one end into four to seven petals, the white side up or down."""
    count, curl = int(rng.integers(4, 8)), rng.uniform(0.25, 0.7)
    patches: list[Patch] = []
    for i in range(count):
        piece = _petal(rng, skin, bend=curl * rng.uniform(0.75, 1.25), wide=np.pi / count * rng.uniform(0.75, 1.0))
        patches += placed([piece], turn=(0, 0, 360.0 * i / count + rng.normal(0, 4)))
    return Model(placed(patches, turn=(0, 180.0 * (rng.random() < 0.35), 0)))


def _petal(rng: np.random.Generator, skin: Colour, bend: float, wide: float) -> Patch:
    """Return a gore of a sphere's skin, its curvature along the meridian reduced to ``bend``."""
    edge, length = ripple(rng, u=1, v=4), rng.uniform(2.0, 2.7)

    def gore(u: Array, v: Array) -> Array:
        side = (2 * u - 1) * wide * np.sin(length * v) * (1 + 0.12 * edge(0 * u, v))
        arc = length * v * bend
        return np.stack([side, np.sin(arc) / bend, (1 - np.cos(arc)) / bend + 0.8 * side**2], axis=-1)

    return patch(gore, _pith(rng, edge=skin), (12, 14), back=_rind(rng, skin), finish=SATIN)


def _half_peel(rng: np.random.Generator, skin: Colour) -> Model:
    edge, cut = ripple(rng, u=5, v=0), rng.uniform(0.5, 0.62)
    outer, inner = ellipsoid(1, 0.9, 1), ellipsoid(0.9, 0.8, 0.9)

    def rim(u: Array, v: Array) -> Array:
        return v * (cut + 0.025 * edge(u, 0 * v))

    segments = int(rng.integers(8, 12))
    flesh = np.asarray(near(rng, (0.98, 0.8, 0.5)))

    def lining(u: Array, v: Array) -> Array:
        return mixed(_PITH, flesh, 0.8 * (np.abs(np.cos(segments * np.pi * u)) > 0.25) * (v > 0.15) * (v < 0.85))

    def lip(u: Array, v: Array) -> Array:
        end = rim(u, 0 * v + 1)
        return (1 - v[..., None]) * outer(u, end) + v[..., None] * inner(u, end)

    patches = [
        patch(lambda u, v: outer(u, rim(u, v)), _rind(rng, skin), (48, 20), finish=SATIN),
        patch(lambda u, v: inner(u, rim(u, v)), lining, (60, 16), v=(1.0, 0.0), finish=MATT),
        patch(lip, _PITH, (48, 1), finish=MATT),
    ]
    return Model(patches, upright=1.0, elevation=(15, 75))


def _rind(rng: np.random.Generator, skin: Colour) -> Painter:
    return speckled(rng, near(rng, skin, 0.02), 0.02)


def _pith(rng: np.random.Generator, edge: Colour = _PITH) -> Painter:
    """Return the paint of the white side, whose rims (u = 0, 1) show the colour of the skin."""
    white = speckled(rng, near(rng, _PITH, 0.03), 0.025)
    return lambda u, v: mixed(white(u, v), edge, np.abs(2 * u - 1) > 0.85)


def banana_peel(rng: np.random.Generator) -> Model:
    """The skin of a banana: three to five strips that hang from the stalk or lie open, freckled with brown."""
    ripe = pick(rng, ((0.96, 0.82, 0.2), (0.93, 0.76, 0.18), (0.88, 0.8, 0.25), (0.8, 0.6, 0.2)))
    skin, count = near(rng, ripe, 0.05), int(rng.integers(3, 6))
    tall, start = rng.uniform(0.1, 0.75), rng.uniform(0, 2 * np.pi)
    patches: list[Patch] = []
    for i in range(count):
        azimuth = start + 2 * np.pi * i / count + rng.normal(0, 0.25)
        patches += _banana_strip(rng, skin, azimuth, tall)
    stalk = curve([(0, tall - 0.1, 0), (0.02, tall + 0.12, 0), (rng.normal(0, 0.1), tall + 0.34, 0.05)], smooth=True)
    bark = near(rng, (0.55, 0.45, 0.15))
    patches.append(patch(sweep(stalk, rod(0.13, 0.055)), bark, (12, 12), finish=MATT))
    return Model(patches, upright=1.0, elevation=(15, 75))


def _banana_strip(rng: np.random.Generator, skin: Colour, azimuth: float, tall: float) -> list[Patch]:
    length, sag, twist = rng.uniform(0.8, 1.25), rng.uniform(0.5, 1.0), rng.uniform(-0.6, 0.6)
    run = curve(
        [
            (0.03, tall),
            (0.15, tall + 0.05),
            (0.3 * length, 0.8 * tall),
            (0.65 * length, 0.25 * tall * sag),
            (length, rng.uniform(0, 0.3)),
        ],
        smooth=True,
    )
    width = curve([(0.05,), (0.16,), (0.2,), (0.17,), (0.05,)], smooth=True)
    freckles, fibres = ripple(rng, u=2, v=4, waves=10), ripple(rng, u=7, v=1)
    brown, amount = near(rng, (0.38, 0.24, 0.08)), rng.uniform(-1.1, -0.1)

    def strip(u: Array, v: Array) -> Array:
        away, height = np.moveaxis(run(v), -1, 0)
        across, angle = (2 * u - 1) * width(v)[..., 0], azimuth + twist * v**2
        height = height - 1.4 * across**2 / np.maximum(width(v)[..., 0], 0.05)
        x = away * np.sin(angle) - across * np.cos(angle)
        return np.stack([x, height, away * np.cos(angle) + across * np.sin(angle)], axis=-1)

    def outside(u: Array, v: Array) -> Array:
        ridge = shaded(skin, 1 - 0.14 * (np.abs(u - 0.5) < 0.06))
        return mixed(ridge, brown, 0.8 * np.clip(freckles(u, v) + amount, 0, 1) + 10 * np.clip(v - 0.92, 0, 1))

    def inside(u: Array, v: Array) -> Array:
        return mixed((0.95, 0.9, 0.7), (0.85, 0.74, 0.45), 0.4 + 0.4 * fibres(u, v))

    count = int(rng.integers(0, 14))
    spots = blots(rng.uniform((0.15, 0.1), (0.85, 0.9), (count, 2)), rng.uniform((0.02, 0.01), (0.09, 0.03), (count, 10, 2)))
    return [patch(strip, outside, (12, 30), back=inside, finish=SATIN), pasted(strip, spots, brown, rank=1)]
