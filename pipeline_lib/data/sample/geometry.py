"""Curves, surfaces and the patches cut from them: the geometry all drawn objects are made of.

Axes: x to the right, y up, z towards the viewer; an object spans about -1..1. A surface is a function of two parameters
(u, v), and a patch is a grid of coloured quadrilaterals on it. Where the cross product of the derivatives in u and v
points, the surface shows its front.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Curve = Callable[[Array], Array]
"""Parameter 0..1 of any shape -> points, with one axis more."""
Surface = Callable[[Array, Array], Array]
"""Parameters u and v of one shape -> points, with an axis of 3 more."""
Colour = tuple[float, float, float]
"""Red, green, blue, 0..1."""
Paint = Colour | Callable[[Array, Array], Array]
"""One colour, or a function of (u, v) that gives colours with an axis of 3 more."""


@dataclass(frozen=True)
class Finish:
    """How a surface answers light; each value 0..1.

    Attributes:
        gloss: Strength of the highlight.
        metal: Share of the light that comes from a mirrored surrounding.
        clear: Transparency seen straight on; edges are always less transparent.
    """

    gloss: float = 0.15
    metal: float = 0.0
    clear: float = 0.0


MATT = Finish(gloss=0.04)
SATIN = Finish(gloss=0.25)
SHINY = Finish(gloss=0.7)
STEEL = Finish(gloss=0.6, metal=0.85)


@dataclass(frozen=True)
class Patch:
    """Quadrilaterals with one finish.

    Attributes:
        quads: Corners, shape (n, 4, 3), counter-clockwise when seen from the front.
        front: Colours of the front, shape (n, 3).
        back: Colours of the back, shape (n, 3); None for a closed body, whose back is never seen.
        finish: How it answers light.
        rank: Patches of a higher rank lie upon those of a lower one that are at the same depth (labels, print).
    """

    quads: Array
    front: Array
    back: Array | None = None
    finish: Finish = field(default_factory=Finish)
    rank: int = 0


def curve(points: Sequence[Sequence[float]] | Array, *, smooth: bool = False) -> Curve:
    """Return the curve through points: straight lines, or a uniform Catmull-Rom spline (repeat a point for a corner).

    The parameter is spread evenly over the points, whatever their distances, so a grid whose cell count is a multiple of
    ``len(points) - 1`` meets every point.
    """
    knots = np.asarray(points, dtype=np.float64)
    last = len(knots) - 1

    def at(t: Array) -> Array:
        place = np.clip(t, 0.0, 1.0) * last
        left = np.minimum(place.astype(np.intp), last - 1)
        f = (place - left)[..., None]
        p1, p2 = knots[left], knots[left + 1]
        if not smooth:
            return np.asarray(p1 + f * (p2 - p1))
        p0, p3 = knots[np.maximum(left - 1, 0)], knots[np.minimum(left + 2, last)]
        cubic = p2 - p0 + f * (2 * p0 - 5 * p1 + 4 * p2 - p3 + f * (3 * (p1 - p2) + p3 - p0))
        return np.asarray(p1 + 0.5 * f * cubic)

    return at


def lathe(profile: Curve) -> Surface:
    """Return the surface of revolution about the y axis; the profile gives (radius, height) over v, u is the turn 0..1.

    Its front is outside when the profile runs upwards (and inwards at a top).
    """

    def at(u: Array, v: Array) -> Array:
        radius, height = np.moveaxis(profile(v), -1, 0)
        turn = 2 * np.pi * u
        return np.stack([radius * np.sin(turn), height, radius * np.cos(turn)], axis=-1)

    return at


def sweep(path: Curve, profile: Curve, *, flat: float = 1.0, up: Colour = (0.0, 0.0, 1.0)) -> Surface:
    """Return the tube around a path in space.

    Args:
        path: Centre line, (x, y, z) over 0..1.
        profile: (radius, place on the path 0..1) over v.
        flat: Thickness in the direction of ``up`` as a share of the width.
        up: A direction that the path never takes.
    """

    def at(u: Array, v: Array) -> Array:
        radius, place = np.moveaxis(profile(v), -1, 0)
        tangent = path(np.minimum(place + 1e-3, 1.0)) - path(np.maximum(place - 1e-3, 0.0))
        side = _unit(np.cross(np.asarray(up), tangent))
        over = _unit(np.cross(tangent, side))
        turn = (2 * np.pi * u)[..., None]
        return np.asarray(path(place) + radius[..., None] * (np.cos(turn) * side + flat * np.sin(turn) * over))

    return at


def rod(radius: float, end: float | None = None, *, steps: int = 4) -> Curve:
    """Return a sweep profile from ``radius`` to ``end`` with both ends closed; meet it with ``steps + 2`` cells."""
    radii = np.linspace(radius, radius if end is None else end, steps + 1)
    body = [(r, t) for r, t in zip(radii, np.linspace(0, 1, steps + 1), strict=True)]
    return curve([(0.0, 0.0), *body, (0.0, 1.0)])


def ellipsoid(width: float, height: float, depth: float) -> Surface:
    """Return an ellipsoid by its half axes in x, y and z; v runs from its lowest to its highest point."""

    def at(u: Array, v: Array) -> Array:
        turn, rise = 2 * np.pi * u, np.pi * (v - 0.5)
        flat = np.cos(rise)
        return np.stack([width * flat * np.sin(turn), height * np.sin(rise), depth * flat * np.cos(turn)], axis=-1)

    return at


def sheet(width: float, height: float, relief: Callable[[Array, Array], Array] | float = 0.0) -> Surface:
    """Return a sheet that faces the viewer; ``relief`` gives its z over (u, v)."""

    def at(u: Array, v: Array) -> Array:
        z = relief(u, v) if callable(relief) else np.full(u.shape, relief)
        return np.stack([width * (u - 0.5), height * (v - 0.5), z], axis=-1)

    return at


def patch(
    surface: Surface,
    paint: Paint,
    cells: tuple[int, int],
    *,
    u: tuple[float, float] = (0.0, 1.0),
    v: tuple[float, float] = (0.0, 1.0),
    back: Paint | None = None,
    finish: Finish = SATIN,
    rank: int = 0,
) -> Patch:
    """Cut a grid of ``cells`` (in u, in v) from the given range of a surface."""
    us, vs = np.meshgrid(np.linspace(*u, cells[0] + 1), np.linspace(*v, cells[1] + 1), indexing="ij")
    p = surface(us, vs)
    quads = np.stack([p[:-1, :-1], p[1:, :-1], p[1:, 1:], p[:-1, 1:]], axis=2).reshape(-1, 4, 3)
    mid_u, mid_v = (us[:-1, :-1] + us[1:, 1:]) / 2, (vs[:-1, :-1] + vs[1:, 1:]) / 2
    behind = None if back is None else _painted(back, mid_u, mid_v)
    return Patch(quads, _painted(paint, mid_u, mid_v), behind, finish, rank)


def pasted(surface: Surface, corners: Array, paint: Paint, *, rank: int = 2, finish: Finish = MATT) -> Patch:
    """Lay flat pieces on a surface.

    Args:
        surface: What they lie on.
        corners: (u, v) of the corners of each piece, counter-clockwise, shape (n, 4, 2).
        paint: Their colour.
        rank: See ``Patch``.
        finish: How they answer light.
    """
    u, v = np.moveaxis(corners, -1, 0)
    return Patch(surface(u, v), _painted(paint, u.mean(axis=-1), v.mean(axis=-1)), None, finish, rank)


def rectangles(boxes: Array, pieces: int = 1) -> Array:
    """Return the corners (see ``pasted``) of boxes (u0, u1, v0, v1), shape (n, 4), each cut along u to follow a curvature."""
    edges = boxes[:, :1] + (boxes[:, 1:2] - boxes[:, :1]) * np.linspace(0, 1, pieces + 1)
    left, right = edges[:, :-1].ravel(), edges[:, 1:].ravel()
    low, high = np.repeat(boxes[:, 2], pieces), np.repeat(boxes[:, 3], pieces)
    return np.asarray(np.stack([left, low, right, low, right, high, left, high], axis=-1).reshape(-1, 4, 2))


def stripes(paths: Array, width: Array | float) -> Array:
    """Return the corners (see ``pasted``) of bands along paths that run towards larger u.

    Args:
        paths: (u, v) of the middle line, shape (k, n, 2).
        width: Width in v: one, or one for each point, shape broadcastable to (k, n).
    """
    half = np.broadcast_to(np.asarray(width) / 2, paths.shape[:2])[..., None] * (0.0, 1.0)
    low, high = paths - half, paths + half
    return np.asarray(np.stack([low[:, :-1], low[:, 1:], high[:, 1:], high[:, :-1]], axis=2).reshape(-1, 4, 2))


def blots(centres: Array, radii: Array) -> Array:
    """Return the corners (see ``pasted``) of round or ragged spots.

    Args:
        centres: (u, v) of each spot, shape (k, 2).
        radii: Distance from the centre in u and v, at an even number of angles, shape (k, n, 2).
    """
    count = radii.shape[1]
    angle = 2 * np.pi * np.arange(count) / count
    rim = centres[:, None, :] + radii * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    middle = np.broadcast_to(centres[:, None, :], (len(centres), count // 2, 2))
    first, second, third = rim[:, 0::2], rim[:, 1::2], np.roll(rim, -2, axis=1)[:, 0::2]
    return np.asarray(np.stack([middle, first, second, third], axis=2).reshape(-1, 4, 2))


def box(width: float, height: float, depth: float, paint: Paint, *, finish: Finish = SATIN, cells: int = 1) -> list[Patch]:
    """Return the six sides of a block around the origin."""
    sides = [(width, height, depth, turn) for turn in ((0, 0, 0), (0, 180, 0))]
    sides += [(depth, height, width, turn) for turn in ((0, 90, 0), (0, -90, 0))]
    sides += [(width, depth, height, turn) for turn in ((90, 0, 0), (-90, 0, 0))]
    return [
        part
        for across, along, out, turn in sides
        for part in placed([patch(sheet(across, along, out / 2), paint, (cells, cells), finish=finish)], turn=turn)
    ]


def turned(x: float, y: float, z: float) -> Array:
    """Return the rotation matrix of turns about x, then y, then z, in degrees."""
    a, b, c = np.radians([x, y, z])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def placed(
    patches: Iterable[Patch],
    *,
    at: Sequence[float] | Array = (0.0, 0.0, 0.0),
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0),
    scale: float = 1.0,
) -> list[Patch]:
    """Return the patches scaled, turned (degrees about x, then y, then z) and moved."""
    matrix, offset = scale * turned(*turn).T, np.asarray(at)
    return [replace(part, quads=part.quads @ matrix + offset) for part in patches]


def copies(part: Patch, offsets: Array) -> Patch:
    """Return one patch made of copies of another, moved by each of the offsets, shape (k, 3)."""
    count = len(offsets)
    quads = (part.quads + offsets[:, None, None, :]).reshape(-1, 4, 3)
    back = None if part.back is None else np.tile(part.back, (count, 1))
    return replace(part, quads=quads, front=np.tile(part.front, (count, 1)), back=back)


def _painted(paint: Paint, u: Array, v: Array) -> Array:
    colours = paint(u, v) if callable(paint) else np.broadcast_to(np.asarray(paint, dtype=np.float64), (*u.shape, 3))
    return colours.reshape(-1, 3)


def _unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9))
