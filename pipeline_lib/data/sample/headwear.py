"""Caps and hats."""

from __future__ import annotations

import numpy as np

from pipeline_lib.data.sample.colour import (
    BLACK,
    GOLD,
    WHITE,
    darker,
    mixed,
    near,
    pick,
    ripple,
    shaded,
    speckled,
    vivid,
    writing,
)
from pipeline_lib.data.sample.geometry import (
    MATT,
    Array,
    Curve,
    Patch,
    curve,
    ellipsoid,
    lathe,
    pasted,
    patch,
    placed,
    rectangles,
)
from pipeline_lib.data.sample.parts import dented
from pipeline_lib.data.sample.scene import Model


def hats(rng: np.random.Generator) -> Model:
    """A baseball cap, a hat with a brim all round (straw, felt, top hat), or a knitted cap."""
    kind = pick(rng, (_baseball_cap, _baseball_cap, _brimmed_hat, _brimmed_hat, _knitted_cap))
    return Model(kind(rng), upright=1.0, elevation=(5, 50))


def _dome(radius: float, height: float, squareness: float = 1.0) -> Curve:
    """Return the profile of a crown from its rim up to the middle."""
    rise = np.linspace(0, np.pi / 2, 9)
    return curve(np.column_stack([radius * np.cos(rise) ** squareness, height * np.sin(rise) ** squareness]))


def _baseball_cap(rng: np.random.Generator) -> list[Patch]:
    cloth, second = near(rng, pick(rng, (vivid(rng), BLACK, WHITE, (0.15, 0.2, 0.4)))), vivid(rng)
    front_panel = rng.random() < 0.4
    length, droop, height = rng.uniform(0.55, 0.8), rng.uniform(0.05, 0.25), rng.uniform(0.6, 0.78)

    def panels(u: Array, v: Array) -> Array:
        seam = np.abs((6 * u + 0.5) % 1 - 0.5) < 0.04
        colour = mixed(cloth, second, front_panel & (np.abs((u + 0.5) % 1 - 0.5) < 1 / 6))
        return shaded(colour, 1 - 0.3 * seam)

    def peak(u: Array, v: Array) -> Array:
        turn = (u - 0.5) * np.radians(150)
        reach = v * length * np.cos(turn * 1.15)
        return np.stack(
            [0.72 * np.sin(turn) * (1 + 0.05 * v), -droop * v * (0.3 + np.sin(turn) ** 2), 0.75 * np.cos(turn) + reach], axis=-1
        )

    brim = near(rng, pick(rng, (cloth, second)))
    crown = lathe(_dome(0.75, height, 0.85))
    badge = rectangles(writing(rng, (-0.06, 0.07, 0.25, 0.6), 2, letters=4))
    return [
        patch(crown, panels, (60, 16), finish=MATT, back=darker(cloth, 0.5)),
        patch(peak, brim, (24, 8), v=(1.0, 0.0), finish=MATT, back=darker(brim, 0.7)),
        pasted(crown, badge, pick(rng, (WHITE, GOLD, second))),
        *placed([patch(ellipsoid(0.06, 0.04, 0.06), brim, (10, 6))], at=(0, height, 0)),
    ]


def _brimmed_hat(rng: np.random.Generator) -> list[Patch]:
    straw, felt = near(rng, (0.86, 0.72, 0.46)), near(rng, pick(rng, ((0.45, 0.3, 0.2), (0.25, 0.25, 0.28), BLACK, vivid(rng))))
    is_straw = rng.random() < 0.5
    cloth = straw if is_straw else felt
    tall, wide = rng.uniform(0.4, 0.9), rng.uniform(0.8, 1.1)
    top = rng.uniform(0.36, 0.5)
    outline = [(wide, rng.uniform(-0.05, 0.12)), (0.75 * wide, -0.04), (0.5, 0.0), (0.49, 0.02), (0.47, 0.4 * tall)]
    crown = [
        (top, 0.85 * tall),
        (0.85 * top, 0.98 * tall),
        (0.4 * top, rng.uniform(0.85, 1.02) * tall),
        (0, rng.uniform(0.8, 1.0) * tall),
    ]
    wave, lift = ripple(rng, u=3, v=0), rng.uniform(0.0, 0.08)
    turning = lathe(curve([*outline, *crown], smooth=True))

    def shape(u: Array, v: Array) -> Array:
        points = turning(u, v)
        points[..., 1] += lift * wave(u, 0 * v) * np.clip(1 - 4 * v, 0, 1)
        return points

    weave = speckled(rng, cloth, 0.08) if is_straw else cloth
    band = lathe(curve([(0.495, 0.03), (0.482, 0.03 + rng.uniform(0.1, 0.2))]))
    return [
        patch(shape, weave, (56, 32), finish=MATT, back=darker(cloth, 0.6)),
        patch(band, near(rng, pick(rng, (BLACK, WHITE, vivid(rng)))), (48, 3), rank=2),
    ]


def _knitted_cap(rng: np.random.Generator) -> list[Patch]:
    wool, second, third = vivid(rng), near(rng, pick(rng, (WHITE, BLACK, vivid(rng)))), vivid(rng)
    levels = np.sort(rng.uniform(0.1, 0.8, 4))

    def stripes(u: Array, v: Array) -> Array:
        band = np.searchsorted(levels, v)
        colour = mixed(mixed(wool, second, band == 1), third, band == 3)
        return shaded(colour, 0.9 + 0.1 * np.cos(60 * np.pi * u))

    cuff = curve([(0.66, -0.12), (0.7, -0.1), (0.71, 0.14), (0.66, 0.17)])
    knit = near(rng, pick(rng, (wool, second)))
    patches = [
        patch(lathe(_dome(0.66, rng.uniform(0.75, 0.95), 0.9)), stripes, (60, 20), finish=MATT, back=second),
        patch(lathe(cuff), lambda u, v: shaded(knit, 0.88 + 0.12 * np.cos(50 * np.pi * u)), (100, 3), finish=MATT),
    ]
    if rng.random() < 0.7:
        fluff = dented(ellipsoid(0.22, 0.2, 0.22), ripple(rng, u=12, v=8, waves=9), 0.1)
        patches += placed([patch(fluff, speckled(rng, second, 0.12), (24, 14), finish=MATT)], at=(0, 0.95, 0))
    return patches
