"""Newspaper, paper, cardboard and cloth: what is flat until it is folded or crumpled."""

from __future__ import annotations

import numpy as np

from pipeline_lib.data.sample.colour import (
    BLACK,
    WHITE,
    Field,
    Painter,
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
    Colour,
    Patch,
    Surface,
    curve,
    ellipsoid,
    lathe,
    pasted,
    patch,
    placed,
    rectangles,
    sheet,
)
from pipeline_lib.data.sample.parts import ring, spun
from pipeline_lib.data.sample.scene import Model

_KRAFT: Colour = (0.72, 0.54, 0.36)
_NEWSPRINT: Colour = (0.85, 0.83, 0.77)
_INK: Colour = (0.25, 0.25, 0.26)


def newspaper(rng: np.random.Generator) -> Model:
    """A front page with masthead, pictures and columns: loose sheets, folded, or a roll."""
    paper = near(rng, _NEWSPRINT, 0.06)
    if rng.random() < 0.25:
        return _rolled_newspaper(rng, paper)
    width, height = rng.uniform(1.3, 1.6), rng.uniform(1.0, 2.1)
    bend, lift = ripple(rng, u=1, v=0.7, waves=3), rng.uniform(0.02, 0.1)
    leaves = int(rng.integers(1, 5))
    patches: list[Patch] = []
    for i in range(leaves):
        page = sheet(width, height, _relief(bend, lift, 0.05 * i))
        leaf = [patch(page, paper, (12, 12), back=paper, finish=MATT)]
        leaf += _front_page(rng, page, rows=int(16 * height)) if i == leaves - 1 else []
        slip = (rng.normal(0, 0.03), rng.normal(0, 0.03), 0.0)
        patches += placed(leaf, at=slip, turn=(0, 0, rng.normal(0, 2.5)))
    return Model(patches)


def _relief(field: Field, height: float, level: float = 0.0) -> Field:
    """Return the z of a sheet that waves by ``height`` around ``level``."""
    return lambda u, v: height * field(u, v) + level


def _front_page(rng: np.random.Generator, page: Surface, rows: int) -> list[Patch]:
    """Print masthead, rule, pictures and columns of text."""
    columns = int(rng.integers(2, 5))
    pitch = 0.92 / columns
    heads, text = [writing(rng, (0.08, 0.92, 0.87, 0.98), 1, letters=14), np.array([(0.04, 0.96, 0.86, 0.866)])], []
    patches: list[Patch] = []
    for i in range(columns):
        left, right, top = 0.04 + i * pitch, 0.02 + (i + 1) * pitch, 0.84
        if rng.random() < 0.6:
            tall = rng.uniform(0.12, 0.3)
            patches.append(patch(page, _halftone(rng), (10, 10), u=(left, right), v=(top - tall, top), rank=1, finish=MATT))
            top -= tall + 0.03
        heads.append(writing(rng, (left, right, top - 0.09, top), 2, letters=24 // columns))
        text.append(writing(rng, (left, right, 0.04, top - 0.1), max(3, int(rows * (top - 0.14))), letters=18 // columns))
    patches.append(pasted(page, rectangles(np.vstack(heads)), BLACK))
    patches.append(pasted(page, rectangles(np.vstack(text)), (0.42, 0.42, 0.42)))
    return patches


def _halftone(rng: np.random.Generator) -> Painter:
    """Return the paint of a printed photograph: blurred shapes in grey or one colour."""
    dark, light = near(rng, pick(rng, (_INK, (0.3, 0.25, 0.2), vivid(rng))), 0.1), (0.78, 0.77, 0.74)
    motif = ripple(rng, u=4, v=5)
    return lambda u, v: mixed(dark, light, 0.5 + 0.5 * motif(u, v))


def _rolled_newspaper(rng: np.random.Generator, paper: Colour) -> Model:
    r = rng.uniform(0.16, 0.26)
    wall = lathe(curve([(r, -1), (r, 1)]))
    patches = [
        patch(wall, paper, (32, 6), finish=MATT),
        *_front_page(rng, wall, rows=18),
        ring(r, rng.uniform(-0.3, 0.3), 0.015, vivid(rng), MATT),
    ]
    for end in (-1.0, 1.0):
        patches += [ring(r * k / 5.2, end * 0.995, 0.012, near(rng, paper, 0.08), MATT) for k in range(1, 6)]
    return Model(spun(rng, patches), upright=0.1, elevation=(15, 40))


def paper(rng: np.random.Generator) -> Model:
    """White or coloured writing paper: a few loose sheets, a sheet once crumpled, or a crumpled ball."""
    stock = near(rng, pick(rng, (WHITE, WHITE, WHITE, (0.95, 0.92, 0.75), (0.8, 0.88, 0.95), (0.95, 0.82, 0.85))), 0.04)
    kind = pick(rng, (_loose_sheets, _loose_sheets, _crumpled_sheet, _crumpled_sheet, _paper_ball))
    return Model(kind(rng, stock))


def _loose_sheets(rng: np.random.Generator, stock: Colour) -> list[Patch]:
    patches: list[Patch] = []
    for i in range(int(rng.integers(1, 5))):
        bend = ripple(rng, u=1, v=0.5, waves=2)
        page = sheet(1.25, 1.77, _relief(bend, rng.uniform(0.02, 0.12), 0.1 * i))
        leaf = [patch(page, stock, (10, 12), back=stock, finish=MATT)]
        if rng.random() < 0.6:
            leaf.append(_ruling(rng, page))
        if rng.random() < 0.4:
            leaf.append(pasted(page, rectangles(writing(rng, (0.14, 0.9, 0.2, 0.92), 16, letters=26)), (0.2, 0.25, 0.5)))
        patches += placed(leaf, at=(*rng.normal(0, 0.14, 2), 0.0), turn=(0, 0, rng.normal(0, 14)))
    return patches


def _ruling(rng: np.random.Generator, page: Surface) -> Patch:
    rows = np.linspace(0.08, 0.9, int(rng.integers(12, 24)))
    lines = np.column_stack([np.full(len(rows), 0.06), np.full(len(rows), 0.94), rows, rows + 0.006])
    return pasted(page, rectangles(lines, pieces=6), pick(rng, ((0.6, 0.72, 0.88), (0.72, 0.72, 0.74))), rank=1)


def _crumpled_sheet(rng: np.random.Generator, stock: Colour) -> list[Patch]:
    creases = _creases(rng, cells=int(rng.integers(5, 9)))
    page = sheet(rng.uniform(1.3, 1.9), rng.uniform(1.3, 1.9), _relief(creases, rng.uniform(0.1, 0.2)))
    return [patch(page, stock, (32, 32), back=stock, finish=MATT)]


def _creases(rng: np.random.Generator, cells: int) -> Field:
    """Return flat facets between sharp folds: a coarse random grid, joined by straight lines."""
    heights = curve(rng.uniform(-1, 1, (cells + 1, cells + 1)))
    jitter = ripple(rng, u=3, v=3)

    def at(u: Array, v: Array) -> Array:
        place = np.clip(v + 0.05 * jitter(u, v), 0, 1) * cells
        row = heights(np.clip(u + 0.05 * jitter(v, u), 0, 1))
        low = np.minimum(place.astype(np.intp), cells - 1)[..., None]
        pair = [np.take_along_axis(row, low + k, axis=-1)[..., 0] for k in (0, 1)]
        share = place - low[..., 0]
        return np.asarray(pair[0] * (1 - share) + pair[1] * share)

    return at


def _paper_ball(rng: np.random.Generator, stock: Colour) -> list[Patch]:
    ball = ellipsoid(*rng.uniform(0.75, 1.0, 3))
    large, small, fine = ripple(rng, u=3, v=2), ripple(rng, u=5, v=5, waves=4), ripple(rng, u=7, v=7, waves=4)

    def crushed(u: Array, v: Array) -> Array:
        bumps = 0.1 * large(u, v) - 0.17 * np.abs(small(u, v)) - 0.09 * np.abs(fine(u, v))
        return shaded(ball(u, v), 1 + np.sin(np.pi * v) * bumps)

    return [patch(crushed, stock, (84, 52), finish=MATT)]


def cardboard(rng: np.random.Generator) -> Model:
    """Brown board: an open or taped carton, or flat torn sheets with a corrugated edge."""
    board = near(rng, _KRAFT, 0.07)
    if rng.random() < 0.3:
        return Model(_board_sheets(rng, board))
    is_open = rng.random() < 0.6
    return Model(_carton(rng, board, is_open), upright=1.0, elevation=(18, 55))


def _carton(rng: np.random.Generator, board: Colour, is_open: bool) -> list[Patch]:
    w, h, d = rng.uniform(0.8, 1.4), rng.uniform(0.5, 1.1), rng.uniform(0.7, 1.2)
    inside, outside = near(rng, (0.55, 0.4, 0.26), 0.03), speckled(rng, board, 0.02)
    patches = placed([patch(sheet(w, d), inside, (4, 4), back=board, finish=MATT)], at=(0, -h / 2, 0), turn=(-90, 0, 0))
    tape = near(rng, pick(rng, ((0.8, 0.68, 0.45), (0.6, 0.42, 0.25), (0.85, 0.85, 0.82))))
    for across, out, turn in ((w, d, 0.0), (d, w, 90.0), (w, d, 180.0), (d, w, 270.0)):
        wall = sheet(across, h, out / 2)
        side = [patch(wall, outside, (6, 6), back=inside, finish=MATT)]
        if turn in (0.0, 180.0):
            side += [*_shipping_marks(rng, wall), pasted(wall, rectangles(np.array([(0.45, 0.55, 0.78, 1.0)])), tape)]
        fold = rng.uniform(15, 125) if is_open else -88.0
        flap = placed([patch(sheet(0.98 * across, 0.5 * d), outside, (4, 4), back=inside, finish=MATT)], at=(0, 0.25 * d, 0))
        side += placed(flap, at=(0, h / 2, out / 2), turn=(fold, 0, 0))
        patches += placed(side, turn=(0, turn, 0))
    if not is_open:
        strip = sheet(0.1 * w, d)
        patches += placed([patch(strip, tape, (1, 6), rank=2)], at=(0, h / 2 + 0.03, 0), turn=(-90, 0, 0))
    return patches


def _shipping_marks(rng: np.random.Generator, wall: Surface) -> list[Patch]:
    """Return a few lines of text and the arrow that says which way is up."""
    ink = pick(rng, (BLACK, (0.5, 0.1, 0.1), (0.15, 0.25, 0.5)))
    text = rectangles(writing(rng, (0.08, 0.55, 0.12, 0.5), 3, letters=9))
    shaft = rectangles(np.array([(0.74, 0.78, 0.2, 0.42), (0.66, 0.86, 0.12, 0.15)]))
    head = np.array([[(0.69, 0.42), (0.83, 0.42), (0.76, 0.56), (0.76, 0.56)]])
    return [pasted(wall, np.concatenate([text, shaft, head]), ink)]


def _board_sheets(rng: np.random.Generator, board: Colour) -> list[Patch]:
    """One to three flat sheets, two edges of which show the corrugation."""
    patches: list[Patch] = []
    for i in range(int(rng.integers(1, 4))):
        place = (*rng.normal(0, 0.15, 2), 0.12 * i)
        patches += placed(_board_sheet(rng, near(rng, board, 0.05)), at=place, turn=(0, 0, rng.normal(0, 18)))
    return patches


def _board_sheet(rng: np.random.Generator, board: Colour) -> list[Patch]:
    wide, tall, thick, waves = rng.uniform(1.2, 1.8), rng.uniform(0.9, 1.6), 0.09, int(rng.integers(24, 40))
    face = sheet(wide, tall, _relief(ripple(rng, u=1, v=0.6, waves=3), rng.uniform(0.0, 0.05), thick / 2))

    def corrugated(u: Array, v: Array) -> Array:
        return shaded(board, 0.7 + 0.3 * np.sign(np.sin(2 * np.pi * waves * u)))

    edge = patch(sheet(wide, thick, tall / 2), corrugated, (3 * waves, 1), finish=MATT)
    patches = [patch(face, speckled(rng, board, 0.02), (14, 14), finish=MATT)]
    patches += placed([edge], turn=(90, 0, 0)) + placed([edge], turn=(-90, 0, 0))
    return patches + (_shipping_marks(rng, face) if rng.random() < 0.6 else [])


def dirty_cloth(rng: np.random.Generator) -> Model:
    """A stained rag or towel: spread out with folds, or dropped in a heap."""
    make = pick(rng, (_spread_cloth, _heaped_cloth))
    return Model([make(rng, _stained(rng), near(rng, (0.5, 0.45, 0.4), 0.1))])


def _spread_cloth(rng: np.random.Generator, paint: Painter, reverse: Colour) -> Patch:
    folds, fine, outline = ripple(rng, u=3, v=2), ripple(rng, u=6, v=6), ripple(rng, u=2, v=2)
    depth = rng.uniform(0.06, 0.16)

    def spread(u: Array, v: Array) -> Array:
        x, y = (u - 0.5) * 1.8 + 0.08 * outline(v, u), (v - 0.5) * 1.6 + 0.08 * outline(u, v)
        return np.stack([x, y, depth * folds(u, v) + 0.25 * depth * fine(u, v)], axis=-1)

    return patch(spread, paint, (44, 40), back=reverse, finish=MATT)


def _heaped_cloth(rng: np.random.Generator, paint: Painter, reverse: Colour) -> Patch:
    pleats, outline, depth = ripple(rng, u=9, v=1.2, waves=8), ripple(rng, u=5, v=0), rng.uniform(0.12, 0.22)

    def heap(u: Array, v: Array) -> Array:
        reach, turn = v * (0.85 + 0.18 * outline(u, 0 * v)), 2 * np.pi * u
        height = 0.55 * (1 - v) ** 1.5 + depth * pleats(u, v) * np.sqrt(v)
        return np.stack([reach * np.cos(turn), 0.85 * reach * np.sin(turn), height], axis=-1)

    def as_laid_flat(u: Array, v: Array) -> Array:
        return paint(0.5 + 0.5 * v * np.cos(2 * np.pi * u), 0.5 + 0.5 * v * np.sin(2 * np.pi * u))

    return patch(heap, as_laid_flat, (80, 24), v=(1.0, 0.0), back=reverse, finish=MATT)


def _stained(rng: np.random.Generator) -> Painter:
    """Return the paint of a woven pattern under blotches of dirt."""
    ground = near(rng, pick(rng, ((0.82, 0.8, 0.74), (0.6, 0.68, 0.78), (0.75, 0.6, 0.58), (0.62, 0.66, 0.56))), 0.08)
    stripe = near(rng, pick(rng, (ground, ground, (0.65, 0.2, 0.2), (0.2, 0.3, 0.55))), 0.05)
    dirt = near(rng, pick(rng, ((0.28, 0.2, 0.12), (0.2, 0.19, 0.17), (0.4, 0.27, 0.12))))
    dirty, grime, count = ripple(rng, u=3, v=3, waves=7), ripple(rng, u=9, v=9, waves=7), int(rng.integers(4, 9))
    amount = rng.uniform(-0.25, 0.15)

    def at(u: Array, v: Array) -> Array:
        lines = (np.cos(2 * np.pi * count * u) > 0.7) | (np.cos(2 * np.pi * count * v) > 0.7)
        stains = 1.1 * (dirty(u, v) + 0.35 * grime(u, v) + amount)
        return mixed(mixed(ground, stripe, 0.8 * lines), dirt, np.clip(stains, 0, 0.8))

    return at
