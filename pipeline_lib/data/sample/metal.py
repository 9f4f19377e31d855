"""Cans, pails, pots, cutlery and batteries: what is made of sheet metal."""

from __future__ import annotations

import numpy as np

from pipeline_lib.data.sample.colour import BLACK, GOLD, SILVER, WHITE, near, pick, ripple, vivid, writing
from pipeline_lib.data.sample.geometry import (
    SATIN,
    SHINY,
    STEEL,
    Array,
    Colour,
    Finish,
    Patch,
    Surface,
    blots,
    box,
    curve,
    lathe,
    pasted,
    patch,
    placed,
    rectangles,
    rod,
    sheet,
    stripes,
    sweep,
)
from pipeline_lib.data.sample.parts import AROUND, both_sides, dented, ear, label, ring, spun
from pipeline_lib.data.sample.scene import Model

_TIN = Finish(gloss=0.6, metal=0.3)


def cans(rng: np.random.Generator) -> Model:
    """A drinks can or a food tin, whole or crushed; sometimes two."""
    count = 2 if rng.random() < 0.25 else 1
    patches: list[Patch] = []
    for i in range(count):
        one = spun(rng, _food_tin(rng) if rng.random() < 0.3 else _drinks_can(rng))
        patches += placed(one, at=(1.15 * i, 0.0, 0.4 * i))
    return Model(spun(rng, patches) if count == 2 else patches, upright=0.6, elevation=(12, 55))


def _drinks_can(rng: np.random.Generator) -> list[Patch]:
    crush, field = rng.choice((0.0, 0.0, 0.12, 0.22)), ripple(rng, u=3, v=2.5)
    wall = [(0.36, -0.95), (0.48, -0.85), (0.48, -0.4), (0.48, 0.1), (0.48, 0.62), (0.4, 0.78)]
    body = dented(lathe(curve(wall)), field, crush)
    top = curve([(0.4, 0.78), (0.4, 0.82), (0.36, 0.82), (0.34, 0.77), (0, 0.77)])
    return [
        patch(body, SILVER, (48, 30), finish=STEEL),
        *_can_print(rng, body),
        patch(dented(lathe(top), field, crush), SILVER, (36, 8), finish=STEEL),
        patch(lathe(curve([(0, -0.9), (0.3, -0.9), (0.36, -0.95)])), SILVER, (24, 4), finish=STEEL),
        *placed([ring(0.09, 0.0, 0.025, near(rng, SILVER, 0.1), STEEL)], at=(0, 0.8, 0.08)),
        *placed([patch(sheet(0.13, 0.2), (0.15, 0.15, 0.16), (1, 1), rank=1)], at=(0, 0.79, -0.15), turn=(-90, 0, 0)),
    ]


def _can_print(rng: np.random.Generator, body: Surface) -> list[Patch]:
    """Return the colours of a can: a ground, a wave across it, an emblem and a name on two sides."""
    ground, second, third = vivid(rng), vivid(rng), pick(rng, (WHITE, GOLD, BLACK))
    around = np.linspace(0, 1, 49)
    centre, turns = rng.uniform(0.25, 0.7), int(rng.integers(0, 3))
    wave = np.stack([around, centre + rng.uniform(0.02, 0.14) * np.sin(2 * np.pi * turns * around)], axis=-1)[None]
    thick, reach = rng.uniform(0.1, 0.4), rng.uniform(0.06, 0.12)
    emblem = blots(np.array([(0.27, rng.uniform(0.3, 0.75))]), np.tile((reach, 1.7 * reach), (1, 24, 1)))
    name = rectangles(writing(rng, (0.08, 0.46, 0.42, 0.66), 1, letters=int(rng.integers(4, 8))), pieces=2)
    text = rectangles(writing(rng, (0.1, 0.44, 0.14, 0.34), 4, letters=12))
    return [
        patch(body, ground, (48, 26), v=(0.07, 0.95), finish=_TIN, rank=1),
        pasted(body, stripes(wave, thick), second, finish=_TIN),
        pasted(body, stripes(wave + np.array([0, 0.5 * thick]), 0.05), third, finish=_TIN, rank=3),
        pasted(body, both_sides(emblem), vivid(rng), finish=_TIN, rank=4),
        pasted(body, both_sides(np.concatenate([name, text])), pick(rng, (WHITE, BLACK, GOLD)), rank=5),
    ]


def _food_tin(rng: np.random.Generator) -> list[Patch]:
    tall = rng.uniform(0.3, 0.75)
    ribs = [(0.55 - 0.006 * (i % 2), y) for i, y in enumerate(np.linspace(-0.9 * tall, 0.9 * tall, 13))]
    wall = [(0.57, -tall), (0.57, -0.95 * tall), *ribs, (0.57, 0.95 * tall), (0.57, tall)]
    lid = [(0.57, tall), (0.53, tall), (0.52, 0.95 * tall), (0.36, 0.95 * tall), (0.35, 0.92 * tall), (0, 0.92 * tall)]
    patches = [
        patch(lathe(curve(wall)), SILVER, (AROUND, 32), finish=STEEL),
        patch(lathe(curve(lid)), SILVER, (36, 10), finish=STEEL),
        patch(lathe(curve([(0, -0.95 * tall), (0.57, -tall)])), SILVER, (24, 3), finish=STEEL),
    ]
    if rng.random() < 0.75:
        paper = lathe(curve([(0.565, -0.85 * tall), (0.565, 0.85 * tall)]))
        patches += label(rng, paper, (0.0, 1.0), near(rng, vivid(rng)))
    return patches


def paint_bucket(rng: np.random.Generator) -> Model:
    """A paint pail with a wire handle and a printed label: open with paint and drips, or closed by a lid."""
    low, high = rng.uniform(0.5, 0.62), rng.uniform(0.62, 0.72)
    wall = lathe(curve([(low, -0.75), (high, 0.65)]))
    metal = rng.random() < 0.5
    shell, paint = near(rng, SILVER if metal else pick(rng, (WHITE, WHITE, BLACK, vivid(rng)))), vivid(rng)
    finish = STEEL if metal else SATIN
    patches = [
        patch(wall, shell, (56, 16), back=shell, finish=finish),
        *label(rng, wall, (0.1, rng.uniform(0.6, 0.72)), near(rng, pick(rng, (WHITE, vivid(rng), paint)))),
        ring(high, 0.65, 0.035, near(rng, shell), finish),
        *_bail(high, swing=rng.uniform(-80, 80)),
    ]
    if rng.random() < 0.65:
        patches.append(patch(lathe(curve([(high * 0.97, 0.5), (0, 0.5)])), paint, (32, 4), finish=SHINY))
        patches.append(_drips(rng, wall, paint))
    else:
        lid = curve([(high, 0.66), (0.9 * high, 0.68), (0.86 * high, 0.63), (0, 0.63)])
        patches.append(patch(lathe(lid), near(rng, shell), (40, 6), finish=finish))
    return Model(spun(rng, patches), upright=0.95, elevation=(15, 60))


def _drips(rng: np.random.Generator, wall: Surface, paint: Colour) -> Patch:
    """Return paint that has run down from the rim, in tongues of random length."""
    run, reach, start = ripple(rng, u=13, v=0, waves=9), rng.uniform(0.04, 0.2), rng.random()

    def tongue(u: Array, v: Array) -> Array:
        low = 0.96 - reach * np.clip(0.5 + run(u, 0 * u), 0, 2) * np.sin(np.pi * u)
        return wall(0.7 * u + start, low + (1 - low) * v)

    return patch(tongue, paint, (90, 2), finish=SHINY, rank=4)


def _bail(radius: float, swing: float) -> list[Patch]:
    """Return a wire handle hinged at the rim, swung by an angle in degrees."""
    arc = curve([(radius * np.cos(a), 1.15 * radius * np.sin(a), 0.0) for a in np.linspace(0, np.pi, 13)])
    return placed([patch(sweep(arc, rod(0.02)), SILVER, (6, 48), finish=STEEL)], at=(0, 0.5, 0), turn=(swing, 0, 0))


def metalware(rng: np.random.Generator) -> Model:
    """A saucepan, a cooking pot, or cutlery of steel, sometimes of copper."""
    kind = pick(rng, (_saucepan, _pot, _cutlery, _cutlery))
    return kind(rng)


def _metal_colour(rng: np.random.Generator) -> Colour:
    return near(rng, pick(rng, (SILVER, SILVER, (0.68, 0.69, 0.72), (0.8, 0.5, 0.36), (0.45, 0.46, 0.48))), 0.05)


def _pan_body(rng: np.random.Generator, tall: float) -> list[Patch]:
    outside = lathe(curve([(0, 0), (0.6, 0), (0.68, 0.06), (0.7, tall)]))
    inside = lathe(curve([(0.67, tall), (0.65, 0.08), (0.58, 0.04), (0, 0.04)]))
    colour = _metal_colour(rng)
    return [
        patch(outside, colour, (56, 24), finish=STEEL),
        patch(inside, near(rng, pick(rng, (SILVER, (0.25, 0.25, 0.27)))), (AROUND, 12), finish=STEEL),
        ring(0.69, tall, 0.025, near(rng, SILVER), STEEL),
    ]


def _saucepan(rng: np.random.Generator) -> Model:
    tall, reach = rng.uniform(0.16, 0.6), rng.uniform(0.7, 1.1)
    stick = curve([(0.66, 0.8 * tall, 0), (0.8, tall, 0), (0.8 + reach, tall + 0.15, 0)], smooth=True)
    grip = pick(rng, (BLACK, BLACK, SILVER, (0.45, 0.27, 0.15)))
    handle = patch(sweep(stick, rod(0.07, 0.09), flat=0.5), grip, (12, 18), finish=SHINY)
    return Model([*_pan_body(rng, tall), handle], upright=1.0, elevation=(20, 75))


def _pot(rng: np.random.Generator) -> Model:
    tall = rng.uniform(0.5, 0.9)
    patches = _pan_body(rng, tall)
    grip = pick(rng, (BLACK, SILVER, SILVER))
    for turn in (0.0, 180.0):
        loop = ear((0.68, 0.2), (0.68, -0.2), 0.2, 0.045, grip, STEEL)
        patches += placed(placed([loop], turn=(90, 0, 0)), at=(0, 0.75 * tall, 0), turn=(0, turn, 0))
    if rng.random() < 0.6:
        dome = curve([(0.72, tall), (0.6, tall + 0.1), (0.3, tall + 0.17), (0, tall + 0.18)], smooth=True)
        knob = curve([(0.03, 0), (0.04, 0.06), (0.1, 0.1), (0.1, 0.14), (0, 0.16)])
        patches.append(patch(lathe(dome), _metal_colour(rng), (AROUND, 12), finish=STEEL))
        patches += placed([patch(lathe(knob), grip, (16, 8), finish=SHINY)], at=(0, tall + 0.17, 0))
    return Model(spun(rng, patches), upright=1.0, elevation=(12, 55))


def _cutlery(rng: np.random.Generator) -> Model:
    """Spoon, fork and knife side by side, one to four pieces."""
    kinds = [pick(rng, (_spoon, _fork, _knife)) for _ in range(int(rng.integers(1, 5)))]
    colour, gap = _metal_colour(rng), rng.uniform(0.32, 0.45)
    patches: list[Patch] = []
    for i, kind in enumerate(kinds):
        patches += placed(kind(colour), at=(gap * i, rng.normal(0, 0.08), 0), turn=(0, 0, rng.normal(0, 6)))
    return Model(patches)


def _stem(colour: Colour, high: float = 0.35) -> Patch:
    path = curve([(0, -1, 0.03), (0, -0.4, 0.06), (0, high, 0)], smooth=True)
    profile = curve([(0, 0), (0.08, 0.0), (0.085, 0.1), (0.04, 0.6), (0.03, 1)], smooth=True)
    return patch(sweep(path, profile, flat=0.3), colour, (10, 24), finish=STEEL)


def _spoon(colour: Colour) -> list[Patch]:
    def bowl(u: Array, v: Array) -> Array:
        r, a = v, 2 * np.pi * u
        return np.stack([0.17 * r * np.cos(a), 0.6 + 0.27 * r * np.sin(a), 0.1 * r**2], axis=-1)

    return [_stem(colour), patch(bowl, colour, (28, 8), v=(1.0, 0.0), back=colour, finish=STEEL)]


def _fork(colour: Colour) -> list[Patch]:
    palm = curve([(0.03, 0), (0.14, 0.35), (0.15, 0.6), (0.15, 1)], smooth=True)
    neck = curve([(0, 0.3, 0), (0, 0.45, -0.02), (0, 0.6, 0)], smooth=True)
    tines = [
        patch(
            sweep(curve([(x, 0.58, 0), (x, 0.75, 0.02), (x, 0.95, 0.08)], smooth=True), rod(0.026, 0.014), flat=0.6),
            colour,
            (6, 12),
            finish=STEEL,
        )
        for x in (-0.12, -0.04, 0.04, 0.12)
    ]
    return [_stem(colour), patch(sweep(neck, palm, flat=0.15), colour, (12, 12), finish=STEEL), *tines]


def _knife(colour: Colour) -> list[Patch]:
    def blade(u: Array, v: Array) -> Array:
        wide = 0.13 * np.sqrt(np.clip(1 - v**3, 0, 1))
        return np.stack([-0.05 + wide * u, -0.1 + 1.1 * v, 0.02 * np.sin(np.pi * u)], axis=-1)

    return [_stem(colour, high=0.0), patch(blade, colour, (6, 16), back=colour, finish=STEEL)]


def battery(rng: np.random.Generator) -> Model:
    """One to four round cells in a two-coloured sleeve, a flat nine-volt block, or button cells."""
    kind = rng.random()
    if kind < 0.12:
        return Model(_block_battery(rng), upright=0.5, elevation=(20, 55))
    if kind < 0.25:
        return _button_cells(rng)
    count, width = int(pick(rng, (1, 1, 2, 2, 3, 4))), rng.uniform(0.22, 0.42)
    sleeve = (vivid(rng), pick(rng, (BLACK, (0.75, 0.45, 0.2), GOLD, SILVER, vivid(rng))))
    patches: list[Patch] = []
    for i in range(count):
        cell = spun(rng, _round_cell(rng, width, sleeve[0], sleeve[1]))
        flip = 180.0 if rng.random() < 0.2 else 0.0
        patches += placed(cell, at=(2.15 * width * i, 0, 0), turn=(0, 0, flip + rng.normal(0, 2)))
    return Model(patches, upright=0.35, elevation=(15, 50))


def _round_cell(rng: np.random.Generator, r: float, body: Colour, end: Colour) -> list[Patch]:
    wall, finish = lathe(curve([(r, -0.97), (r, 0.88)])), Finish(gloss=0.7, metal=0.25)
    split = rng.uniform(0.6, 0.78)
    top = curve([(r, 0.88), (0.9 * r, 0.91), (0.4 * r, 0.91), (0.36 * r, 1.0), (0.3 * r, 1.02), (0, 1.02)])
    text = writing(rng, (0.1, 0.42, 0.2, split - 0.05), 3, letters=9)
    plus = np.array([(0.2, 0.3, split + 0.09, split + 0.12), (0.24, 0.26, split + 0.05, split + 0.16)])
    marks = rectangles(np.vstack([text, plus]), pieces=2)
    return [
        patch(wall, body, (40, 8), v=(0, split), finish=finish),
        patch(wall, end, (40, 4), v=(split, 1), finish=finish),
        pasted(wall, both_sides(marks), WHITE if sum(body) < 2 else BLACK),
        patch(lathe(top), SILVER, (32, 10), finish=STEEL),
        patch(lathe(curve([(0, -1), (0.9 * r, -1), (r, -0.97)])), SILVER, (32, 4), finish=STEEL),
    ]


def _block_battery(rng: np.random.Generator) -> list[Patch]:
    patches = box(0.9, 1.3, 0.5, near(rng, pick(rng, (BLACK, vivid(rng)))), finish=SHINY)
    patches += placed(
        box(0.91, 0.4, 0.51, near(rng, pick(rng, (GOLD, SILVER, (0.8, 0.45, 0.2)))), finish=SHINY), at=(0, 0.46, 0)
    )
    for turn in (0.0, 180.0):
        face = placed(
            [pasted(sheet(0.8, 0.8), rectangles(writing(rng, (0.1, 0.9, 0.1, 0.9), 3, letters=8)), WHITE)], at=(0, -0.2, 0.255)
        )
        patches += placed(face, turn=(0, turn, 0))
    for x in (-0.22, 0.22):
        stud = curve([(0.13, 0), (0.13, 0.1), (0.08, 0.1), (0, 0.06)])
        patches += placed([patch(lathe(stud), SILVER, (16, 6), finish=STEEL)], at=(x, 0.66, 0))
    return patches


def _button_cells(rng: np.random.Generator) -> Model:
    shell = curve([(0, -0.1), (0.46, -0.1), (0.5, -0.06), (0.5, 0.08), (0.47, 0.1), (0.42, 0.1), (0.4, 0.13), (0, 0.13)])
    patches: list[Patch] = []
    for i in range(int(rng.integers(1, 4))):
        mark = pasted(sheet(0.5, 0.5, 0.135), rectangles(writing(rng, (0, 1, 0.1, 0.9), 3, letters=8)), (0.35, 0.35, 0.37))
        cell = [patch(lathe(shell), near(rng, SILVER), (36, 14), finish=STEEL), *placed([mark], turn=(-90, 0, 0))]
        place = (1.06 * i, 0.0, rng.uniform(-0.5, 0.5))
        patches += placed(cell, at=place, turn=(0, rng.uniform(0, 360), 0))
    return Model(patches, upright=1.0, elevation=(25, 75))
