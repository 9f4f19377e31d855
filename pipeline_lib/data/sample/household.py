"""Balls, brooms, mirrors and lamps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline_lib.data.sample.colour import (
    BLACK,
    GOLD,
    SILVER,
    WHITE,
    Painter,
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
    SATIN,
    SHINY,
    STEEL,
    Array,
    Colour,
    Finish,
    Patch,
    Surface,
    curve,
    ellipsoid,
    lathe,
    pasted,
    patch,
    placed,
    rectangles,
    rod,
    sweep,
)
from pipeline_lib.data.sample.parts import spun
from pipeline_lib.data.sample.scene import Model


def basketball(rng: np.random.Generator) -> Model:
    """An orange ball with the eight panels' black seams, full or half flat."""
    leather = near(rng, pick(rng, ((0.85, 0.42, 0.15), (0.72, 0.33, 0.14), (0.9, 0.5, 0.2), (0.62, 0.3, 0.18))), 0.05)
    seam_colour, t = near(rng, pick(rng, (BLACK, BLACK, (0.85, 0.82, 0.7)))), np.linspace(0, 2 * np.pi, 49)
    bow, spread = rng.uniform(0.16, 0.24), rng.uniform(0.5, 0.58)
    loops = [np.stack([np.cos(t), np.sin(t), 0 * t], -1), np.stack([np.cos(t), 0 * t, np.sin(t)], -1)]
    bowed = np.stack([spread + bow * np.cos(2 * t), 0.85 * np.cos(t), 0.85 * np.sin(t)], -1)
    loops += [bowed, bowed * np.array([-1, 1, 1])]
    ball = ellipsoid(1, 1, 1)
    patches = [patch(ball, speckled(rng, leather, 0.02), (56, 36), finish=Finish(gloss=0.3))]
    for loop in loops:
        path = curve(1.002 * loop / np.linalg.norm(loop, axis=1, keepdims=True))
        ribbon = sweep(path, curve([(0.022, 0), (0.022, 1)]), up=(0.013, 0.017, 1.0))
        patches.append(patch(ribbon, seam_colour, (4, 48), finish=MATT, rank=1))
    patches.append(pasted(ball, rectangles(writing(rng, (0.08, 0.2, 0.54, 0.66), 2, letters=6)), seam_colour))
    patches = placed(patches, turn=(rng.uniform(0, 360), rng.uniform(0, 360), rng.uniform(0, 360)))
    squash = np.array([1.0, rng.uniform(0.78, 0.95) if rng.random() < 0.25 else 1.0, 1.0])
    return Model([replace(part, quads=part.quads * squash) for part in patches], upright=1.0, elevation=(0, 50))


def broom(rng: np.random.Generator) -> Model:
    """A long-handled broom of straw or of coloured plastic."""
    straw = rng.random() < 0.5
    bristle = near(rng, (0.8, 0.65, 0.35) if straw else vivid(rng))
    wide, tall = rng.uniform(0.22, 0.42), rng.uniform(0.45, 0.75)
    jag, streak = ripple(rng, u=40, v=0, waves=20), ripple(rng, u=45, v=0.4, waves=14)
    start = 0.1 if straw else 0.75 * wide
    fan = sweep(
        curve([(0, 0, 0), (0, -tall, 0)]),
        curve([(start, 0), (0.8 * start + 0.2 * wide, 0.2), (wide, 1.0)], smooth=True),
        flat=0.45,
    )

    def bristles(u: Array, v: Array) -> Array:
        points = fan(u, v)
        points[..., 1] -= 0.06 * jag(u, 0 * v) * v
        return points

    def streaks(u: Array, v: Array) -> Array:
        return shaded(bristle, 0.85 + 0.3 * streak(u, v) - 0.25 * (1 - v))

    stick = sweep(curve([(0, 0, 0), (0, rng.uniform(1.1, 1.7), 0)]), rod(0.035, 0.03))
    wood = near(rng, pick(rng, ((0.75, 0.58, 0.38), (0.55, 0.36, 0.2), vivid(rng), SILVER)))
    patches = [
        patch(bristles, streaks, (90, 10), finish=MATT, back=darker(bristle, 0.6)),
        patch(stick, wood, (12, 12), finish=SATIN),
    ]
    if straw:
        patches += _bindings(rng, fan)
    else:
        block = sweep(curve([(0, 0.14, 0), (0, -0.06, 0)]), rod(start * 0.7, start * 1.05, steps=3), flat=0.48)
        patches.append(patch(block, near(rng, vivid(rng)), (32, 10), finish=SHINY, rank=1))
    return Model(patches, upright=0.2, elevation=(5, 30))


def _bindings(rng: np.random.Generator, fan: Surface) -> list[Patch]:
    """Return the cords that hold the straw together."""
    cord, levels = near(rng, pick(rng, ((0.7, 0.15, 0.12), (0.2, 0.4, 0.25), (0.35, 0.25, 0.15)))), (0.06, 0.12, 0.28, 0.36)
    return [patch(fan, cord, (36, 1), v=(level, level + 0.025), rank=1) for level in levels]


def old_mirror(rng: np.random.Generator) -> Model:
    """A round, oval or square mirror in an ornate frame: blind spots at the edge, streaks, often cracked."""
    wide, tall = (0.75, 0.75) if rng.random() < 0.3 else (rng.uniform(0.5, 0.7), rng.uniform(0.8, 1.0))
    power = pick(rng, (1.0, 1.0, 0.35))
    t = np.linspace(0, 2 * np.pi, 97)
    rim = np.stack([wide * _rounded(np.cos(t), power), tall * _rounded(np.sin(t), power), 0 * t], -1)
    beads, bulge, thick = int(rng.integers(10, 40)), rng.uniform(0, 0.3), rng.uniform(0.06, 0.13)
    knots = np.linspace(0, 1, 145)
    profile = curve(np.column_stack([thick * (1 + bulge * np.cos(2 * np.pi * beads * knots)), knots]))
    frame = near(rng, pick(rng, (GOLD, (0.35, 0.2, 0.12), (0.55, 0.5, 0.42), (0.25, 0.22, 0.2))))
    border = curve(rim)

    def glass(u: Array, v: Array) -> Array:
        return border(u) * v[..., None] + (0, 0, 0.02)

    patches = [
        patch(glass, _reflection(rng), (64, 12), v=(1.0, 0.0), finish=Finish(gloss=0.25)),
        patch(sweep(border, profile), frame, (6, 144), finish=Finish(gloss=0.5, metal=0.4)),
    ]
    if rng.random() < 0.7:
        patches += _cracks(rng, glass)
    if rng.random() < 0.25:
        patches.append(
            patch(sweep(curve([(0, -tall, 0), (0, -tall - 0.8, 0)]), rod(0.07, 0.09)), frame, (12, 12), finish=SHINY)
        )
    return Model(patches)


def _rounded(x: Array, power: float) -> Array:
    return np.asarray(np.sign(x) * np.abs(x) ** power)


def _reflection(rng: np.random.Generator) -> Painter:
    """Return what an old mirror shows: soft streaks of sky, darkening and blotches towards the edge."""
    dark, light = near(rng, (0.42, 0.48, 0.54), 0.06), near(rng, (0.85, 0.9, 0.93), 0.04)
    angle, width, spots = rng.uniform(0, 2 * np.pi), rng.uniform(2, 5), ripple(rng, u=11, v=5, waves=9)
    tarnish, loss = near(rng, (0.2, 0.17, 0.13)), rng.uniform(0.55, 0.8)

    def at(u: Array, v: Array) -> Array:
        across = v * np.cos(2 * np.pi * u - angle)
        sky = mixed(dark, light, 0.5 + 0.5 * np.sin(width * across + 0.8) + 0.3 * (np.abs(across - 0.2) < 0.12))
        return mixed(sky, tarnish, 3 * (v - loss + 0.22 * spots(u, v)))

    return at


def _cracks(rng: np.random.Generator, glass: Surface) -> list[Patch]:
    """Return jagged dark lines that run from one point of the glass to its edge."""
    start = glass(rng.random(1), rng.uniform(0.1, 0.6, 1))[0]
    patches = []
    for turn in rng.random() + np.arange(5) / 5 + rng.uniform(-0.07, 0.07, 5):
        end = glass(np.array([turn % 1.0]), np.array([0.98]))[0]
        way = start + np.linspace(0, 1, 6)[:, None] * (end - start)
        way[1:-1, :2] += rng.normal(0, 0.025, (4, 2))
        way[:, 2] = 0.03
        patches.append(
            patch(sweep(curve(way), curve([(0.012, 0), (0.006, 1)])), (0.18, 0.2, 0.22), (3, 10), finish=MATT, rank=1)
        )
    return patches


def fluorescent_lamp(rng: np.random.Generator) -> Model:
    """A straight tube, several of them, or an energy-saving lamp with a spiral or bent tubes."""
    glow = near(rng, pick(rng, (WHITE, (1.0, 0.97, 0.88), (0.9, 0.95, 1.0))), 0.02)
    return pick(rng, (_straight_tubes, _straight_tubes, _compact_lamp))(rng, glow)


def _straight_tubes(rng: np.random.Generator, glow: Colour) -> Model:
    r, patches = rng.uniform(0.045, 0.085), list[Patch]()
    for i in range(int(pick(rng, (1, 1, 2, 3)))):
        tube = [patch(lathe(curve([(r, -1), (r, 1)])), _tube_paint(glow), (22, 20), finish=Finish(gloss=0.6))]
        for end in (0.0, 180.0):
            cap = curve([(1.08 * r, 0.9), (1.08 * r, 1.0), (0, 1.0)])
            pins = [sweep(curve([(x, 1, 0), (x, 1.07, 0)]), rod(0.014)) for x in (-0.4 * r, 0.4 * r)]
            parts = [
                patch(lathe(cap), SILVER, (28, 6), finish=STEEL),
                *(patch(pin, GOLD, (6, 6), finish=STEEL) for pin in pins),
            ]
            tube += placed(parts, turn=(0, 0, end))
        place = (3.2 * r * i, rng.normal(0, 0.05), 0)
        patches += placed(spun(rng, tube), at=place, turn=(0, 0, rng.normal(0, 4) if i else 0.0))
    return Model(patches)


def _tube_paint(glow: Colour) -> Painter:
    """Return the milky white of a used tube, grey near its ends."""
    return lambda u, v: mixed(glow, (0.55, 0.55, 0.57), 1 - 9 * np.minimum(v, 1 - v))


def _compact_lamp(rng: np.random.Generator, glow: Colour) -> Model:
    r, bend = rng.uniform(0.065, 0.095), rng.uniform(0.24, 0.34)
    tubes = _spiral_tube(rng, r, bend, glow) if rng.random() < 0.55 else _bent_tubes(rng, r, bend, glow)
    foot = [(0.2, -0.42), (0.22, -0.3), (bend + 0.1, -0.05), (bend + 0.12, 0.08), (bend + 0.08, 0.14), (0, 0.14)]
    thread = [(0, -0.85), (0.08, -0.84), *((0.19 + 0.015 * (i % 2), -0.78 + 0.04 * i) for i in range(10))]
    base = patch(lathe(curve(foot, smooth=True)), near(rng, WHITE), (36, 20), finish=SATIN)
    screw = patch(lathe(curve(thread)), SILVER, (28, 22), finish=STEEL)
    return Model(spun(rng, [*tubes, base, screw]), upright=0.5, elevation=(0, 30))


def _spiral_tube(rng: np.random.Generator, r: float, bend: float, glow: Colour) -> list[Patch]:
    turns, tall, t = rng.uniform(2.5, 4.0), rng.uniform(0.7, 1.0), np.linspace(0, 1, 97)
    wide, angle = bend * (1 - rng.uniform(0, 0.4) * t), 2 * np.pi * turns * t
    path = curve(np.column_stack([wide * np.cos(angle), tall * t + 0.1, wide * np.sin(angle)]))
    return [patch(sweep(path, rod(r, steps=94), up=(0, 1, 0)), glow, (12, 96), finish=SHINY)]


def _bent_tubes(rng: np.random.Generator, r: float, bend: float, glow: Colour) -> list[Patch]:
    high, x = rng.uniform(0.8, 1.2), 0.6 * bend
    path = curve([(-x, 0, 0), (-x, 0.8 * high, 0), (0, high, 0), (x, 0.8 * high, 0), (x, 0, 0)], smooth=True)
    loop = placed([patch(sweep(path, rod(0.8 * r, steps=30)), glow, (12, 32), finish=SHINY)], at=(0, 0.1, x))
    return [part for turn in (0.0, 120.0, 240.0) for part in placed(loop, turn=(0, turn, 0))]
