"""Bottles, glasses and bowls: what a lathe makes of glass, plastic and clay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline_lib.data.sample.colour import BLACK, GOLD, WHITE, near, pick, ripple, vivid
from pipeline_lib.data.sample.geometry import SHINY, STEEL, Array, Colour, Finish, Patch, curve, lathe, pasted, patch, stripes
from pipeline_lib.data.sample.parts import AROUND, dented, ear, label, ring, screw_cap, spun
from pipeline_lib.data.sample.scene import Model


def plastic_bottle(rng: np.random.Generator) -> Model:
    """A drinks or detergent bottle of thin ribbed plastic with a screw cap, often dented."""
    width = rng.uniform(0.26, 0.38)
    ribs = [(width * (1 - 0.07 * (i % 2)), y) for i, y in enumerate(np.linspace(-0.88, 0.3, int(rng.integers(6, 16))))]
    neck = [(0.98 * width, 0.42), (0.8 * width, 0.56), (0.13, 0.72), (0.12, 0.8), (0.12, 0.84)]
    profile = curve([(0, -0.97), (0.8 * width, -1), (width, -0.95), *ribs, *neck], smooth=True)
    body = dented(lathe(profile), ripple(rng, u=2, v=2), rng.choice((0.0, 0.04, 0.12)))
    tint = pick(rng, ((0.82, 0.9, 0.95), (0.62, 0.82, 0.93), (0.55, 0.8, 0.6), (0.93, 0.93, 0.9), vivid(rng)))
    plastic = Finish(gloss=0.7, clear=rng.uniform(0.4, 0.75))
    patches = [patch(body, near(rng, tint), (AROUND, 40), finish=plastic)]
    patches.append(screw_cap(rng, 0.145, 0.8, rng.uniform(0.92, 1.0)))
    if rng.random() < 0.8:
        top = rng.uniform(0.55, 0.72)
        patches += label(rng, body, (top - rng.uniform(0.2, 0.32), top), near(rng, vivid(rng)))
    return Model(spun(rng, patches), upright=0.45)


def glass_bottle(rng: np.random.Generator) -> Model:
    """A wine, beer or spirits bottle of green, brown or clear glass, with a paper label."""
    width, shoulder = rng.uniform(0.25, 0.33), rng.uniform(0.0, 0.3)
    lip = 0.095
    neck = [(width, shoulder), (0.93 * width, shoulder + 0.1), (0.11, shoulder + rng.uniform(0.25, 0.42)), (0.09, 0.85)]
    rim = [(0.09, 0.9), (lip + 0.015, 0.9), (lip + 0.015, 0.95), (lip, 0.97), (0.07, 0.97)]
    foot = [(0, -0.96), (0.9 * width, -1), (width, -0.96), (width, -0.5), (width, shoulder - 0.1)]
    body = lathe(curve([*foot, *neck, *rim], smooth=True))
    tint = pick(rng, ((0.1, 0.3, 0.16), (0.36, 0.18, 0.06), (0.2, 0.42, 0.2), (0.75, 0.85, 0.82), (0.15, 0.3, 0.5)))
    glass = Finish(gloss=0.95, clear=0.5 if tint[1] > 0.8 else rng.uniform(0.05, 0.25))
    patches = [patch(body, near(rng, tint), (AROUND, 52), finish=glass)]
    closure = rng.random()
    if closure < 0.4:
        patches.append(screw_cap(rng, 0.125, 0.9, 1.0))
    elif closure < 0.7:
        foil = curve([(0.115, 0.6), (0.108, 0.88), (0.12, 0.9), (0.12, 0.98), (0, 0.99)])
        patches.append(
            patch(lathe(foil), near(rng, pick(rng, (GOLD, (0.5, 0.08, 0.12), BLACK))), (24, 12), finish=STEEL, rank=1)
        )
    if rng.random() < 0.85:
        high = rng.uniform(-0.2, shoulder - 0.08)
        shell = lathe(curve([(width + 0.008, high - rng.uniform(0.4, 0.6)), (width + 0.008, high)]))
        paper = near(rng, pick(rng, (WHITE, (0.93, 0.88, 0.75), (0.85, 0.75, 0.4), (0.6, 0.12, 0.12))))
        patches += label(rng, shell, (0.0, 1.0), paper)
    return Model(spun(rng, patches), upright=0.55)


def glassware(rng: np.random.Generator) -> Model:
    """A wine glass, a tumbler or a jug of clear glass, empty or with a drink in it."""
    kind = pick(rng, ("stem", "stem", "tumbler", "jug"))
    outline = _stem_glass(rng) if kind == "stem" else _straight_glass(rng, belly=1.0 if kind == "tumbler" else 1.2)
    tint = near(rng, pick(rng, ((0.9, 0.95, 0.96), (0.9, 0.95, 0.96), (0.75, 0.9, 0.88), (0.9, 0.8, 0.7))), 0.05)
    glass = Finish(gloss=0.95, clear=rng.uniform(0.75, 0.93))
    wall, rows = lathe(curve(outline, smooth=True)), 6 * (len(outline) - 1)
    radius, top = outline[-1]
    patches = [patch(wall, tint, (AROUND, rows), back=tint, finish=glass)]
    # The far edge of the mouth is seen through the near side, so the rim goes on top of everything.
    patches.append(replace(ring(radius, top, 0.014, WHITE, Finish(gloss=0.9, clear=0.3)), rank=40))
    if kind == "jug":
        patches.append(ear((radius, 0.35), (0.4, -0.55), rng.uniform(0.25, 0.4), 0.05, tint, Finish(gloss=0.9, clear=0.35)))
    if rng.random() < 0.45:
        drink = near(rng, pick(rng, ((0.45, 0.04, 0.1), (0.9, 0.65, 0.2), (0.95, 0.85, 0.5), (0.55, 0.3, 0.12))))
        floor = 6 if kind == "stem" else 2
        bottom, level = floor / (len(outline) - 1), 1 - rng.uniform(0.6, 1.4) / (len(outline) - 1)
        wet = Finish(gloss=0.9, clear=rng.uniform(0.2, 0.6))
        patches.append(patch(wall, drink, (AROUND, 16), v=(bottom, level), finish=wet, rank=1))
        patches.append(_surface_of(curve(outline, smooth=True)(np.array(level)), drink))
    return Model(spun(rng, patches), upright=0.85, elevation=(8, 40))


def _stem_glass(rng: np.random.Generator) -> list[tuple[float, float]]:
    low, r, flare = rng.uniform(-0.3, 0.0), rng.uniform(0.34, 0.48), rng.uniform(0.75, 1.15)
    foot = [(0, -0.94), (rng.uniform(0.32, 0.42), -1), (0.1, -0.93), (0.04, -0.85), (0.035, low - 0.1), (0.06, low)]
    return [*foot, (0.7 * r, low + 0.12), (r, low + 0.4), (1.02 * r, low + 0.6), (flare * r, rng.uniform(0.75, 1.0))]


def _straight_glass(rng: np.random.Generator, belly: float) -> list[tuple[float, float]]:
    r, tall, flare = rng.uniform(0.38, 0.52), rng.uniform(0.3, 0.85), rng.uniform(0.95, 1.2)
    foot = [(0, -0.9), (0.9 * r, -0.95), (r, -0.9)]
    return [*foot, (belly * r, -0.9 + 0.35 * (tall + 0.9)), (belly * r, 0.0), (r, 0.75 * tall), (flare * r, tall)]


def _surface_of(edge: Array, drink: Colour) -> Patch:
    """Return the round surface of a drink whose edge is at (radius, height)."""
    radius, height = edge
    return patch(lathe(curve([(0.97 * radius, height), (0, height)])), drink, (24, 2), finish=SHINY)


def ceramic_bowl(rng: np.random.Generator) -> Model:
    """A glazed bowl or deep plate, plain or with painted rings and garlands, seen into."""
    deep, foot = rng.uniform(0.3, 0.8), rng.uniform(0.3, 0.45)
    outside = [(foot, -0.06), (foot, 0.02), (0.62, 0.12 * deep), (0.88, 0.5 * deep), (1.0, deep)]
    inside = [(0.96, deep), (0.84, 0.53 * deep), (0.58, 0.17 * deep), (0.3, 0.06), (0, 0.05)]
    glaze = near(
        rng, pick(rng, (WHITE, WHITE, (0.9, 0.92, 0.86), (0.7, 0.84, 0.78), (0.55, 0.66, 0.75), (0.42, 0.3, 0.24))), 0.05
    )
    brush = near(rng, pick(rng, ((0.13, 0.25, 0.6), (0.7, 0.15, 0.12), (0.15, 0.45, 0.35), (0.4, 0.26, 0.16))))
    outer, inner = lathe(curve(outside, smooth=True)), lathe(curve(inside, smooth=True))
    patches = [
        patch(outer, glaze, (48, 16), finish=SHINY),
        patch(inner, near(rng, glaze, 0.06), (48, 16), finish=SHINY),
        ring(0.98, deep, 0.022, brush if rng.random() < 0.6 else glaze, SHINY),
    ]
    patches += [pasted(side, _garland(rng), brush, finish=SHINY) for side in (outer, inner) if rng.random() < 0.7]
    return Model(spun(rng, patches), upright=1.0, elevation=(12, 70))


def _garland(rng: np.random.Generator) -> Array:
    """Return the corners of painted rings and of one wavy line around a body."""
    around = np.linspace(0, 1, 97)
    petals, swing, thick = int(rng.integers(5, 22)), rng.uniform(0.02, 0.1), rng.uniform(0.015, 0.05)
    levels = [rng.uniform(0.2, 0.9) + 0 * around for _ in range(int(rng.integers(1, 4)))]
    levels.append(rng.uniform(0.35, 0.7) + swing * np.cos(2 * np.pi * petals * around))
    return stripes(np.stack([np.stack([around, level], axis=-1) for level in levels]), thick)
