"""Leaves and shells: what grew."""

from __future__ import annotations

import numpy as np

from pipeline_lib.data.sample.colour import darker, mixed, near, pick, ripple, shaded, speckled
from pipeline_lib.data.sample.geometry import (
    SATIN,
    Array,
    Colour,
    Finish,
    Patch,
    curve,
    lathe,
    pasted,
    patch,
    placed,
    rectangles,
    rod,
    stripes,
    sweep,
)
from pipeline_lib.data.sample.scene import Model

_LEAVES: tuple[tuple[tuple[float, ...], float], ...] = (
    ((0.05, 0.35, 0.52, 0.5, 0.36, 0.18, 0.0), 0.03),
    ((0.16, 0.3, 0.5, 0.72, 0.82, 0.65, 0.0), 0.12),
    ((0.25, 0.65, 0.92, 1.0, 0.95, 0.72, 0.0), 0.07),
    ((0.15, 0.17, 0.2, 0.5, 0.56, 0.4, 0.0), 0.05),
)
"""Half widths from foot to tip, and waviness, of spinach, lettuce, cabbage and chard."""


def vegetable_leaf(rng: np.random.Generator) -> Model:
    """Leaves of spinach, lettuce, cabbage or chard: ribbed, wavy, one or several."""
    outline, waviness = pick(rng, _LEAVES)
    green = near(rng, pick(rng, ((0.3, 0.55, 0.16), (0.45, 0.68, 0.25), (0.2, 0.42, 0.15), (0.6, 0.74, 0.35))), 0.06)
    count = int(pick(rng, (1, 1, 2, 3)))
    patches: list[Patch] = []
    for i in range(count):
        fan = (i - (count - 1) / 2) * rng.uniform(22, 40)
        leaf = _leaf(rng, near(rng, green, 0.04), outline, waviness * rng.uniform(0.7, 1.5))
        patches += placed(placed(leaf, turn=(rng.normal(0, 8), 0, 0)), at=(0, 0, 0.07 * i), turn=(0, 0, fan))
    return Model(patches)


def _leaf(rng: np.random.Generator, green: Colour, outline: tuple[float, ...], waviness: float) -> list[Patch]:
    """Return one leaf that grows from the origin along y."""
    half = curve([(width * rng.uniform(0.92, 1.08),) for width in outline], smooth=True)
    wave, cup = ripple(rng, u=5, v=5, waves=8), rng.uniform(-0.25, 0.3)
    pale, bend, wide = near(rng, (0.82, 0.88, 0.62), 0.04), rng.uniform(-0.5, 0.5), rng.uniform(0.8, 1.2)

    def blade(u: Array, v: Array) -> Array:
        side = 2 * u - 1
        x = wide * side * half(v)[..., 0]
        edge = waviness * wave(u, v) * (0.25 + side**2)
        fold = -0.06 * np.exp(-((side / 0.1) ** 2))
        return np.stack([x, 1.7 * v + 0.3 * edge, edge + fold + cup * x**2 + bend * (v - 0.5) ** 2], axis=-1)

    def colouring(u: Array, v: Array) -> Array:
        foot = 1.1 - 6 * v - 1.5 * np.abs(2 * u - 1)
        return mixed(mixed(green, darker(green, 0.7), 0.5 + 0.5 * wave(u, v)), pale, np.clip(foot, 0, 0.85))

    stem = sweep(curve([(0, -rng.uniform(0.05, 0.5), 0), (0, 0.12, -0.03)]), rod(0.07, 0.06), flat=0.6)
    return [
        patch(blade, colouring, (28, 32), back=near(rng, green, 0.05), finish=Finish(gloss=0.2)),
        pasted(blade, _veins(rng), tuple(mixed(green, pale, 0.42)), rank=1, finish=SATIN),
        patch(stem, pale, (10, 6), finish=SATIN),
    ]


def _veins(rng: np.random.Generator) -> Array:
    """Return the corners of a tapering midrib and of side veins that sweep up towards the edge."""
    starts = np.linspace(0.06, 0.82, int(rng.integers(6, 10)))
    away = np.linspace(0, 0.47, 6)
    rise = rng.uniform(0.12, 0.26) * (away / 0.47) ** 1.5
    right = np.stack(np.broadcast_arrays(0.5 + away, starts[:, None] + rise), axis=-1)
    left = np.stack(np.broadcast_arrays(0.5 - away, starts[:, None] + 0.03 + rise), axis=-1)[:, ::-1]
    taper = np.linspace(0.022, 0.004, 6)
    along = np.linspace(0, 0.95, 17)
    rib = rectangles(np.column_stack([0.47 + 0.025 * along[:-1], 0.53 - 0.025 * along[:-1], along[:-1], along[1:]]))
    return np.concatenate([rib, stripes(right, taper), stripes(left, taper[::-1])])


def eggshell(rng: np.random.Generator) -> Model:
    """Broken shell of an egg: halves with a jagged edge and small pieces."""
    shell = near(rng, pick(rng, ((0.87, 0.68, 0.52), (0.93, 0.8, 0.68), (0.95, 0.94, 0.91), (0.78, 0.56, 0.4))), 0.04)
    patches: list[Patch] = []
    count = int(rng.integers(1, 4))
    for i in range(count):
        turn = (rng.uniform(-70, 70), rng.uniform(0, 360), rng.uniform(-60, 60))
        away = 0.0 if count == 1 else 0.8
        angle = 2 * np.pi * i / count + rng.normal(0, 0.3)
        patches += placed(
            _broken_shell(rng, shell, cut=rng.uniform(0.45, 0.7)), at=(away * np.sin(angle), 0, away * np.cos(angle)), turn=turn
        )
    for _ in range(int(rng.integers(0, 5))):
        shard = placed(_broken_shell(rng, shell, cut=0.25), scale=rng.uniform(0.3, 0.6))
        spot = (rng.uniform(-1, 1), -0.5, rng.uniform(0.6, 1.4))
        patches += placed(shard, at=spot, turn=(rng.uniform(-30, 30), 0, 180.0 * (rng.random() < 0.5)))
    return Model(patches, upright=1.0, elevation=(25, 75))


def _broken_shell(rng: np.random.Generator, shell: Colour, cut: float) -> list[Patch]:
    """Return a shell broken off at ``cut``, the share of its meridian that is left."""
    tooth = rng.uniform(-1, 1, int(rng.integers(12, 26)))
    jagged, slow = curve(np.append(tooth, tooth[0])[:, None]), ripple(rng, u=2, v=0)
    egg = lathe(
        curve(
            [(0, -0.6), (0.27, -0.55), (0.44, -0.35), (0.5, -0.08), (0.46, 0.2), (0.33, 0.5), (0.17, 0.68), (0, 0.74)],
            smooth=True,
        )
    )

    def piece(u: Array, v: Array) -> Array:
        edge = cut * (1 + 0.09 * jagged(u)[..., 0] + 0.12 * slow(u, 0 * v))
        return egg(u, v * edge)

    return [patch(piece, speckled(rng, shell, 0.015), (48, 16), back=speckled(rng, (0.96, 0.93, 0.88), 0.01), finish=SATIN)]


def seashell(rng: np.random.Generator) -> Model:
    """A ribbed scallop or cockle, several of them, or a spiral snail shell."""
    base = near(
        rng, pick(rng, ((0.88, 0.72, 0.55), (0.86, 0.56, 0.46), (0.78, 0.6, 0.42), (0.62, 0.4, 0.36), (0.9, 0.87, 0.8))), 0.06
    )
    if rng.random() < 0.4:
        return Model(_snail_shell(rng, base), upright=0.2, elevation=(0, 40))
    patches: list[Patch] = []
    count = int(pick(rng, (1, 1, 2, 3)))
    for i in range(count):
        angle = 2 * np.pi * i / count
        away = 0.0 if count == 1 else 0.62
        turn = (rng.normal(0, 10), rng.normal(0, 12), rng.uniform(0, 360))
        patches += placed(
            _scallop(rng, near(rng, base, 0.05)), at=(away * np.cos(angle), away * np.sin(angle), 0.05 * i), turn=turn
        )
    return Model(patches)


def _scallop(rng: np.random.Generator, base: Colour) -> list[Patch]:
    ribs, opening, dome = int(rng.integers(9, 22)), np.radians(rng.uniform(110, 165)), rng.uniform(0.35, 0.6)
    second = near(rng, pick(rng, ((0.55, 0.25, 0.18), (0.7, 0.38, 0.3), (0.95, 0.88, 0.78), (0.4, 0.26, 0.22))))
    rings, blur = rng.uniform(2, 4.5), ripple(rng, u=2, v=2)
    ridge = rng.uniform(0.015, 0.035)

    def fan(u: Array, v: Array) -> Array:
        turn, rib = (u - 0.5) * opening, np.cos(2 * np.pi * ribs * u)
        away = v * (1 + 0.025 * rib) * (1 - 0.12 * np.abs(2 * u - 1) ** 3)
        height = dome * (1 - np.abs(2 * v - 0.9) ** 2.2 / 1.3) * np.cos(turn * 0.95) + ridge * rib * np.sqrt(v)
        return np.stack([away * np.sin(turn), away * np.cos(turn) - 0.5, height], axis=-1)

    def colouring(u: Array, v: Array) -> Array:
        band = 0.5 + 0.5 * np.sin(rings * 2 * np.pi * v + 1.5 * blur(u, v))
        groove = 0.82 + 0.18 * np.cos(2 * np.pi * ribs * u)
        return shaded(mixed(base, second, 0.9 * band**2), groove)

    ears = curve([(0.01, 0), (0.07, 0.5), (0.01, 1)])
    hinge = sweep(curve([(-0.24, -0.44, 0.02), (0, -0.47, 0.03), (0.24, -0.44, 0.02)]), ears, flat=0.4)
    return [
        patch(fan, colouring, (4 * ribs, 20), v=(0.02, 1.0), back=near(rng, (0.95, 0.9, 0.86)), finish=Finish(gloss=0.35)),
        patch(hinge, base, (10, 6), finish=SATIN),
    ]


def _snail_shell(rng: np.random.Generator, base: Colour) -> list[Patch]:
    turns, growth, drop = rng.uniform(4, 6), rng.uniform(2.6, 3.4), rng.uniform(0.9, 1.9)
    second, stripes = near(rng, pick(rng, ((0.6, 0.32, 0.2), (0.4, 0.25, 0.2), (0.97, 0.93, 0.88)))), rng.uniform(6, 16)
    t = np.linspace(0, 1, 121)
    size = np.exp(growth * (t - 1))
    angle = 2 * np.pi * turns * t
    path = curve(np.column_stack([0.42 * size * np.cos(angle), -drop * size, 0.42 * size * np.sin(angle)]))
    profile = curve(np.column_stack([0.46 * size, t]))
    blur = ripple(rng, u=2, v=4)

    def colouring(u: Array, v: Array) -> Array:
        return mixed(base, second, 0.5 + 0.5 * np.sin(2 * np.pi * stripes * v + 2 * blur(u, v) + 1.5 * np.sin(2 * np.pi * u)))

    return [patch(sweep(path, profile, up=(0, 1, 0)), colouring, (24, 120), back=(0.96, 0.8, 0.74), finish=Finish(gloss=0.5))]
