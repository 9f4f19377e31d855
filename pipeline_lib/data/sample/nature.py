"""Peel, leaves and shells: what grew."""

from __future__ import annotations

import numpy as np

from pipeline_lib.data.sample.colour import Field, Painter, mixed, near, pick, ripple, speckled
from pipeline_lib.data.sample.geometry import (
    MATT,
    SATIN,
    Array,
    Colour,
    Finish,
    Patch,
    blots,
    curve,
    ellipsoid,
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
        bend, wide = curl * rng.uniform(0.75, 1.25), np.pi / count * rng.uniform(0.75, 1.0)
        edge, length = ripple(rng, u=1, v=4), rng.uniform(2.0, 2.7)

        def petal(u: Array, v: Array, bend: float = bend, wide: float = wide, length: float = length, f: Field = edge) -> Array:
            arc, side = length * v * bend, (2 * u - 1) * wide * np.sin(length * v) * (1 + 0.12 * f(0 * u, v))
            return np.stack([side, np.sin(arc) / bend, (1 - np.cos(arc)) / bend + 0.8 * side**2], axis=-1)

        piece = patch(petal, _pith(rng, edge=skin), (12, 14), v=(0.0, 1.0), back=_rind(rng, skin), finish=SATIN)
        patches += placed([piece], turn=(0, 0, 360.0 * i / count + float(rng.normal(0, 4))))
    return Model(placed(patches, turn=(0, 180.0 * (rng.random() < 0.35), 0)))


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
    stalk = curve([(0, tall - 0.1, 0), (0.02, tall + 0.12, 0), (*(0.1 * rng.normal(0, 1, 1)), tall + 0.34, 0.05)], smooth=True)
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
        ridge = np.asarray(skin) * (1 - 0.14 * (np.abs(u - 0.5) < 0.06))[..., None]
        return mixed(ridge, brown, 0.8 * np.clip(freckles(u, v) + amount, 0, 1) + 10 * np.clip(v - 0.92, 0, 1))

    def inside(u: Array, v: Array) -> Array:
        return mixed((0.95, 0.9, 0.7), (0.85, 0.74, 0.45), 0.4 + 0.4 * fibres(u, v))

    count = int(rng.integers(0, 14))
    spots = blots(rng.uniform((0.15, 0.1), (0.85, 0.9), (count, 2)), rng.uniform((0.02, 0.01), (0.09, 0.03), (count, 10, 2)))
    return [patch(strip, outside, (12, 30), back=inside, finish=SATIN), pasted(strip, spots, brown, rank=1)]


def vegetable_leaf(rng: np.random.Generator) -> Model:
    """Leaves of spinach, lettuce or cabbage: ribbed, wavy, one or several."""
    kind = pick(rng, (_SPINACH, _LETTUCE, _CABBAGE, _CHARD))
    green = near(rng, pick(rng, ((0.3, 0.55, 0.16), (0.45, 0.68, 0.25), (0.2, 0.42, 0.15), (0.6, 0.74, 0.35))), 0.06)
    count = int(pick(rng, (1, 1, 2, 3)))
    patches: list[Patch] = []
    for i in range(count):
        fan = (i - (count - 1) / 2) * rng.uniform(22, 40)
        leaf = placed(_leaf(rng, near(rng, green, 0.04), kind), turn=(float(rng.normal(0, 8)), 0, 0))
        patches += placed(leaf, at=(0, 0, 0.07 * i), turn=(0, 0, fan))
    return Model(patches)


_SPINACH = ((0.05, 0.35, 0.52, 0.5, 0.36, 0.18, 0.0), 0.03)
_LETTUCE = ((0.16, 0.3, 0.5, 0.72, 0.82, 0.65, 0.0), 0.12)
_CABBAGE = ((0.25, 0.65, 0.92, 1.0, 0.95, 0.72, 0.0), 0.07)
_CHARD = ((0.15, 0.17, 0.2, 0.5, 0.56, 0.4, 0.0), 0.05)


def _leaf(rng: np.random.Generator, green: Colour, kind: tuple[tuple[float, ...], float]) -> list[Patch]:
    """Return one leaf that grows from the origin along y: outline half widths from foot to tip, and waviness."""
    half = curve([(w * rng.uniform(0.92, 1.08),) for w in kind[0]], smooth=True)
    wave, waviness, cup = ripple(rng, u=5, v=5, waves=8), kind[1] * rng.uniform(0.7, 1.5), rng.uniform(-0.25, 0.3)
    pale, bend, wide = near(rng, (0.82, 0.88, 0.62), 0.04), rng.uniform(-0.5, 0.5), rng.uniform(0.8, 1.2)

    def blade(u: Array, v: Array) -> Array:
        side = 2 * u - 1
        x = wide * side * half(v)[..., 0]
        edge = waviness * wave(u, v) * (0.25 + side**2)
        fold = -0.06 * np.exp(-((side / 0.1) ** 2))
        return np.stack([x, 1.7 * v + 0.3 * edge, edge + fold + cup * x**2 + bend * (v - 0.5) ** 2], axis=-1)

    def colouring(u: Array, v: Array) -> Array:
        foot = 1.1 - 6 * v - 1.5 * np.abs(2 * u - 1)
        return mixed(mixed(green, np.asarray(green) * 0.7, 0.5 + 0.5 * wave(u, v)), pale, np.clip(foot, 0, 0.85))

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
        turn = (float(rng.uniform(-70, 70)), float(rng.uniform(0, 360)), float(rng.uniform(-60, 60)))
        away = 0.0 if count == 1 else 0.8
        angle = 2 * np.pi * i / count + rng.normal(0, 0.3)
        patches += placed(_half_shell(rng, shell), at=(away * np.sin(angle), 0, away * np.cos(angle)), turn=turn)
    for _ in range(int(rng.integers(0, 5))):
        shard = placed(_half_shell(rng, shell, cut=0.25), scale=rng.uniform(0.3, 0.6))
        spot = (*rng.uniform(-1, 1, 1), -0.5, *rng.uniform(0.6, 1.4, 1))
        patches += placed(shard, at=spot, turn=(float(rng.uniform(-30, 30)), 0, 180.0 * (rng.random() < 0.5)))
    return Model(patches, upright=1.0, elevation=(25, 75))


def _half_shell(rng: np.random.Generator, shell: Colour, cut: float = 0.0) -> list[Patch]:
    cut = cut or rng.uniform(0.45, 0.7)
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

    return [patch(piece, speckled(rng, shell, 0.015), (40, 12), back=speckled(rng, (0.96, 0.93, 0.88), 0.01), finish=SATIN)]


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
        turn = (float(rng.normal(0, 10)), float(rng.normal(0, 12)), float(rng.uniform(0, 360)))
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
        return mixed(base, second, 0.9 * band**2) * groove[..., None]

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

    return [patch(sweep(path, profile, up=(0, 1, 0)), colouring, (18, 120), back=(0.96, 0.8, 0.74), finish=Finish(gloss=0.5))]
