"""Small things that lie in a hand: chopsticks, lighters, toothbrushes, tablets."""

from __future__ import annotations

import numpy as np

from pipeline_lib.data.sample.colour import (
    BLACK,
    GOLD,
    SILVER,
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
    SHINY,
    STEEL,
    Array,
    Colour,
    Finish,
    Patch,
    box,
    copies,
    curve,
    ellipsoid,
    lathe,
    pasted,
    patch,
    placed,
    rectangles,
    rod,
    sheet,
    sweep,
)
from pipeline_lib.data.sample.scene import Model


def disposable_chopsticks(rng: np.random.Generator) -> Model:
    """Pairs of plain wooden sticks, still joined, parted or crossed, some in a printed paper sleeve."""
    wood = near(rng, pick(rng, ((0.87, 0.74, 0.52), (0.8, 0.63, 0.4), (0.92, 0.83, 0.66))), 0.05)
    thick, has_sleeve = rng.uniform(0.028, 0.042), rng.random() < 0.45
    sleeve = near(rng, pick(rng, (WHITE, (0.8, 0.15, 0.12), (0.9, 0.8, 0.6))))
    ink = near(rng, pick(rng, ((0.7, 0.1, 0.1), BLACK, GOLD)))
    patches: list[Patch] = []
    for i in range(int(rng.integers(1, 5))):
        spread, lean = (1.1, 0.0) if has_sleeve else (rng.uniform(1.1, 4), rng.uniform(-3, 3))
        pair = placed([_stick(rng, wood, thick)], at=(-spread * thick, 0, 0), turn=(0, 0, lean))
        pair += placed([_stick(rng, wood, thick)], at=(spread * thick, 0, 0), turn=(0, 0, -lean))
        if has_sleeve:
            pair += _sleeve(rng, sleeve, ink, thick)
        patches += placed(pair, at=(0.26 * i, rng.normal(0, 0.06), 0.09 * i), turn=(0, 0, rng.normal(0, 12)))
    return Model(patches)


def _stick(rng: np.random.Generator, wood: Colour, thick: float) -> Patch:
    colour, grain, square = near(rng, wood, 0.03), ripple(rng, u=2, v=6), 4
    body = sweep(curve([(0, -1, 0), (0, 1, 0)]), rod(1.15 * thick, 0.65 * thick, steps=10))
    return patch(body, lambda u, v: shaded(colour, 1 + 0.06 * grain(u, v)), (square, 12))


def _sleeve(rng: np.random.Generator, sleeve: Colour, ink: Colour, thick: float) -> list[Patch]:
    tall, wide = rng.uniform(1.1, 1.5), 5.5 * thick
    case = placed(box(wide, tall, 2.6 * thick, sleeve, finish=MATT), at=(0, -0.95 + tall / 2, 0))
    face = sheet(wide, tall, 1.32 * thick)
    # Written from top to bottom, a few broad signs in one column.
    marks = np.vstack([writing(rng, (0.25, 0.75, 0.3, 0.9), 9, letters=3), [(0.0, 1.0, 0.05, 0.15)]])
    return case + placed([pasted(face, rectangles(marks), ink)], at=(0, -0.95 + tall / 2, 0))


def lighter(rng: np.random.Generator) -> Model:
    """A pocket lighter: coloured translucent plastic with a steel hood and wheel, or a metal case with a lid."""
    if rng.random() < 0.25:
        return Model(_case_lighter(rng), upright=0.6, elevation=(5, 40))
    patches: list[Patch] = []
    for i in range(int(pick(rng, (1, 1, 1, 2, 3)))):
        one = _gas_lighter(rng)
        patches += placed(one, at=(0.85 * i, 0, 0), turn=(0, rng.normal(0, 8), rng.normal(0, 4)))
    return Model(patches, upright=0.5, elevation=(5, 40))


def _gas_lighter(rng: np.random.Generator) -> list[Patch]:
    wide, flat, tint = rng.uniform(0.25, 0.33), rng.uniform(0.45, 0.6), vivid(rng)
    level = rng.uniform(0.3, 0.8)

    def fluid(u: Array, v: Array) -> Array:
        return mixed(tint, np.asarray(tint) * 0.55 + 0.45, v > level)

    axis = curve([(0, -1, 0), (0, 1, 0)])
    shell = curve([(0, 0), (0.94 * wide, 0.0), (wide, 0.02), (wide, 0.3), (wide, 0.55), (wide, 0.76), (0, 0.77)])
    hood = curve([(0.93 * wide, 0.76), (0.93 * wide, 0.93), (0.7 * wide, 0.96), (0, 0.96)])
    wheel = patch(lathe(curve([(0, -0.07), (0.1, -0.07), (0.1, 0.07), (0, 0.07)])), _ridges, (28, 3), finish=STEEL)
    lever = box(0.24, 0.1, 0.2, near(rng, pick(rng, (BLACK, tint, (0.75, 0.1, 0.1)))))
    patches = [
        patch(sweep(axis, shell, flat=flat), fluid, (36, 30), finish=Finish(gloss=0.8, clear=rng.uniform(0, 0.3))),
        patch(sweep(axis, hood, flat=flat), near(rng, SILVER), (36, 9), finish=STEEL),
        *placed(lever, at=(-0.13, 1.0, 0), turn=(0, 0, 14)),
        *placed([wheel], at=(0.13, 0.98, 0), turn=(90, 0, 0)),
    ]
    if rng.random() < 0.5:
        sticker = sheet(1.1 * wide, rng.uniform(0.5, 0.9), flat * wide + 0.01)
        mark = [patch(sticker, near(rng, pick(rng, (WHITE, GOLD, vivid(rng)))), (1, 1), rank=1)]
        mark.append(pasted(sticker, rectangles(writing(rng, (0.12, 0.92, 0.15, 0.85), 4, letters=7)), BLACK))
        patches += placed(mark, at=(0, -0.25, 0))
    return patches


def _ridges(u: Array, v: Array) -> Array:
    return mixed(SILVER, (0.3, 0.3, 0.32), (np.cos(28 * np.pi * u) > 0) & (np.abs(v - 0.5) < 0.2))


def _case_lighter(rng: np.random.Generator) -> list[Patch]:
    """A metal case with a hinged lid, open with its chimney and wheel to be seen."""
    metal, wide, deep = near(rng, pick(rng, (SILVER, GOLD, (0.2, 0.2, 0.22), (0.7, 0.42, 0.3))), 0.05), 0.78, 0.3
    patches = placed(box(wide, 1.0, deep, metal, finish=STEEL, cells=10), at=(0, -0.5, 0))
    lid = placed(box(wide, 0.5, deep, metal, finish=STEEL, cells=8), at=(wide / 2, 0.25, 0))
    fold = float(pick(rng, (0.0, -100.0, -125.0)))
    patches += placed(lid, at=(-wide / 2, 0.02, 0), turn=(0, 0, -fold))
    if fold:
        patches += placed(box(0.42, 0.34, 0.22, SILVER, finish=STEEL, cells=4), at=(0.02, 0.17, 0))
        wheel = patch(lathe(curve([(0, -0.06), (0.1, -0.06), (0.1, 0.06), (0, 0.06)])), _ridges, (24, 3), finish=STEEL)
        patches += placed([wheel], at=(0.26, 0.3, 0), turn=(90, 0, 0))
    engraving = pasted(sheet(0.5, 0.4, deep / 2), rectangles(writing(rng, (0, 1, 0, 1), 3, letters=8)), (0.3, 0.3, 0.3))
    return patches + placed([engraving], at=(0, -0.5, 0))


def toothbrush(rng: np.random.Generator) -> Model:
    """Toothbrushes with a curved two-coloured handle and rows of bristle tufts."""
    patches: list[Patch] = []
    count, roll = int(pick(rng, (1, 1, 2, 3))), rng.uniform(-85, 85)
    for i in range(count):
        one = placed(_brush(rng), turn=(0, roll + rng.normal(0, 8), 0))
        patches += placed(one, at=(0.3 * i, rng.normal(0, 0.06), 0), turn=(0, 0, rng.normal(0, 5)))
    return Model(patches)


def _brush(rng: np.random.Generator) -> list[Patch]:
    colour, second = vivid(rng), near(rng, pick(rng, (WHITE, WHITE, vivid(rng))))
    curl, grips = rng.uniform(-0.06, 0.1), int(rng.integers(5, 12))
    path = curve([(0, -1, curl), (0, -0.4, 0), (0, 0.1, 0.4 * curl), (0, 0.5, 0), (0, 1, 0)], smooth=True)
    grip = [(0, 0), (0.07, 0.0), (0.09, 0.08), (0.075, 0.25), (0.095, 0.42)]
    head = [(0.045, 0.62), (0.04, 0.76), (0.09, 0.84), (0.085, 0.97), (0, 1)]

    def two_coloured(u: Array, v: Array) -> Array:
        pad = (np.abs(u - 0.25) < 0.13) & (v > 0.1) & (v < 0.5) & (np.cos(4 * np.pi * grips * v) > -0.4)
        return mixed(second, colour, pad | (v < 0.08) | ((v > 0.5) & (v < 0.58)))

    handle = sweep(path, curve([*grip, *head], smooth=True), flat=0.6)
    return [patch(handle, two_coloured, (16, 45), finish=SHINY), *_bristles(rng, colour)]


def _bristles(rng: np.random.Generator, colour: Colour) -> list[Patch]:
    """Return three rows of tufts on the head, often dyed and longer at both ends."""
    across, along = np.meshgrid((-0.05, 0.0, 0.05), np.linspace(0.66, 0.93, 8))
    places = np.column_stack([across.ravel(), along.ravel(), np.full(across.size, 0.03)])
    is_end = (np.abs(places[:, 1] - 0.8) > 0.1) & (rng.random() < 0.6)
    nylon = near(rng, pick(rng, (WHITE, (0.85, 0.92, 0.98))))
    tufts = []
    for paint, length, spots in ((nylon, 0.22, places[~is_end]), (colour, 0.24, places[is_end])):
        tuft = patch(lathe(curve([(0.02, 0), (0.023, length), (0, length)])), paint, (6, 2), finish=MATT)
        tufts.append(copies(placed([tuft], turn=(90, 0, 0))[0], spots))
    return tufts


def tablet_capsules(rng: np.random.Generator) -> Model:
    """Two-coloured capsules and pressed tablets, loose or in a blister pack."""
    if rng.random() < 0.3:
        return Model(_blister_pack(rng))
    makers = [pick(rng, (_capsule, _capsule, _tablet)) for _ in range(int(rng.integers(1, 3)))]
    kinds = [maker(rng) for maker in makers]
    side = int(rng.integers(2, 5))
    patches: list[Patch] = []
    for place in rng.permutation(side * side)[: int(rng.integers(2, side * side + 1))]:
        spot = 0.62 * np.array([place % side, place // side, 0.0]) + (*rng.normal(0, 0.06, 2), 0.0)
        patches += placed(pick(rng, kinds), at=spot, turn=(rng.normal(0, 12), 0, rng.uniform(0, 360)))
    return Model(patches)


def _capsule(rng: np.random.Generator) -> list[Patch]:
    r, half = 0.14, rng.uniform(0.12, 0.18)
    cap, body = near(rng, vivid(rng)), near(rng, pick(rng, (WHITE, (0.95, 0.85, 0.4), vivid(rng))))
    rise = np.linspace(0, np.pi / 2, 6)
    lower = [(r * np.sin(a), -half - r * np.cos(a)) for a in rise]
    upper = [(1.05 * r * np.cos(a), half + r * np.sin(a)) for a in rise]
    bottom, top = curve([*lower, (r, 0.02)]), curve([(r, 0.0), (1.05 * r, 0.0), *upper])
    finish = Finish(gloss=0.9)
    return [patch(lathe(bottom), body, (18, 12), finish=finish), patch(lathe(top), cap, (18, 9), finish=finish)]


def _tablet(rng: np.random.Generator) -> list[Patch]:
    colour = near(rng, pick(rng, (WHITE, WHITE, (0.95, 0.6, 0.65), (0.95, 0.9, 0.5), (0.6, 0.75, 0.9), (0.85, 0.5, 0.3))), 0.06)
    r, stretch = rng.uniform(0.17, 0.24), pick(rng, (1.0, 1.0, 1.5))
    side = curve([(0, -0.1), (0.8 * r, -0.08), (r, -0.04), (r, 0.04), (0.8 * r, 0.08), (0, 0.1)])
    turning = lathe(side)

    def shape(u: Array, v: Array) -> Array:
        return turning(u, v) * (stretch, 1.0, 1.0)

    score = placed([patch(sheet(0.03, 1.5 * r), darker(colour, 0.6), (1, 1), rank=1)], at=(0, 0.1, 0), turn=(-90, 0, 0))
    return placed([patch(shape, colour, (22, 10)), *score], turn=(90, 0, 0))


def _blister_pack(rng: np.random.Generator) -> list[Patch]:
    rows, columns, pitch = int(rng.integers(3, 6)), int(pick(rng, (2, 2, 3))), 0.42
    foil, pill = near(rng, pick(rng, (SILVER, SILVER, (0.85, 0.75, 0.5)))), near(rng, pick(rng, (WHITE, vivid(rng))))
    across, along = np.meshgrid(np.arange(columns) * pitch, np.arange(rows) * pitch)
    places = np.column_stack([across.ravel(), along.ravel(), np.zeros(across.size)])
    middle = places.mean(axis=0)
    card = sheet(columns * pitch + 0.12, rows * pitch + 0.12, -0.02)
    long = pick(rng, (0.13, 0.17))
    dome = patch(ellipsoid(long, 0.12, 0.12), pill, (20, 14), finish=Finish(gloss=1.0))
    rim = patch(ellipsoid(1.2 * long, 0.145, 0.03), darker(foil, 0.85), (20, 6), finish=STEEL)
    kept = places[rng.random(len(places)) > 0.15]
    return [
        *placed([patch(card, speckled(rng, foil, 0.06), (24, 24), back=foil, finish=Finish(gloss=0.5, metal=0.5))], at=middle),
        copies(rim, places),
        copies(dome, kept),
    ]
