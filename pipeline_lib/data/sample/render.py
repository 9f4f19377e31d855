"""From patches in space to a picture: pose, shading, hidden surfaces and the shadow on the ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from pipeline_lib.data.sample.geometry import Array, Patch

Pixels = npt.NDArray[np.float32]

SUPERSAMPLING = 2
"""Pixels drawn for each pixel kept, a side: they are averaged, which smooths edges."""

_AMBIENT, _DIFFUSE, _WRAP = 0.45, 0.58, 0.3
_SHADOW_SCALE = 4
_LOWEST_LIGHT = 0.3
_RANK_DEPTH = 0.03


@dataclass(frozen=True)
class View:
    """How an object is looked at.

    Attributes:
        rotation: Matrix from object to view axes (x right, y up, z towards the viewer).
        ground: Unit normal of the plane it rests on, in view axes.
        light: Unit vector towards the light, in view axes.
        distance: Of the eye from the object's middle, in radii of the object: 3 is near, 8 is flat.
        extent: The larger side of the object's bounding box as a share of the picture's.
        place: Where the box sits in the room left over, x and y, 0..1.
    """

    rotation: Array
    ground: Array
    light: Array
    distance: float
    extent: float
    place: tuple[float, float]


@dataclass(frozen=True)
class Rendering:
    """An object without its surroundings.

    Attributes:
        layer: Colours multiplied by opacity, then opacity, shape (4, size, size), float32, 0..1.
        shadow: How much of the light is kept from the ground, shape (size, size), float32, 0..1.
    """

    layer: Pixels
    shadow: Pixels


def render(patches: Sequence[Patch], view: View, size: int, softness: float) -> Rendering:
    """Draw the patches as seen in a view.

    Args:
        patches: The object.
        view: Pose, eye, light and framing.
        size: Side of the picture in pixels.
        softness: Standard deviation of the shadow's blur as a share of ``size``.
    """
    quads = _normalised(np.concatenate([part.quads for part in patches]) @ view.rotation.T)
    screen, scale, corner = _framed(_projected(quads, view.distance), view, size)
    shadow = _projected(_on_ground(quads, view), view.distance) * scale + corner
    rank = _each(patches, [part.rank for part in patches])
    is_open = _each(patches, [part.back is not None for part in patches])
    towards = _is_front(screen)
    colours = _shaded(quads, towards, patches, view.light)
    order = np.argsort(quads[:, 0, 2] + quads[:, 2, 2] + 2 * _RANK_DEPTH * rank, kind="stable")
    order = order[(towards | is_open)[order]]
    casting = (rank == 0) & (is_open | _is_front(shadow))
    return Rendering(
        layer=_painted(screen[order], colours[order], size),
        shadow=_cast(shadow[casting], float(colours[:, 3].mean()), size, softness),
    )


def _each(patches: Sequence[Patch], values: Sequence[float | tuple[float, ...]]) -> npt.NDArray[Any]:
    """Repeat a value of each patch for each of its quadrilaterals."""
    return np.repeat(np.asarray(values), [len(part.quads) for part in patches], axis=0)


def _normalised(quads: Array) -> Array:
    """Move the object's middle to the origin and scale it to radius 1."""
    low, high = _bounds(quads)
    return np.asarray((quads - (low + high) / 2) / (0.5 * np.linalg.norm(high - low)))


def _bounds(points: Array) -> tuple[Array, Array]:
    """Return the lowest and the highest value of each coordinate."""
    # Ten times as fast on contiguous rows as along the first axis of many short ones.
    coordinates = np.ascontiguousarray(points.reshape(-1, points.shape[-1]).T)
    return coordinates.min(axis=1), coordinates.max(axis=1)


def _projected(points: Array, distance: float) -> Array:
    """Project in perspective onto the plane z = 0; y down."""
    return np.asarray(points[..., :2] * (distance / (distance - points[..., 2:])) * (1.0, -1.0))


def _framed(points: Array, view: View, size: int) -> tuple[Array, float, Array]:
    """Fit projected points into the picture; also return the scale and offset in pixels that do it."""
    low, high = _bounds(points)
    scale = float(view.extent * size / (high - low).max())
    room = size - scale * (high - low)
    corner = room * np.asarray(view.place) - scale * low
    return points * scale + corner, scale, corner


def _on_ground(quads: Array, view: View) -> Array:
    """Follow the light from each corner to the ground under the object."""
    height = quads @ view.ground
    steps = (height - height.min()) / max(float(view.ground @ view.light), _LOWEST_LIGHT)
    return np.asarray(quads - steps[..., None] * view.light)


def _is_front(screen: Array) -> npt.NDArray[np.bool_]:
    """Tell which quadrilaterals show their front: counter-clockwise to the eye, clockwise on a screen with y down."""
    first, second = screen[:, 2] - screen[:, 0], screen[:, 3] - screen[:, 1]
    return np.asarray(first[:, 0] * second[:, 1] < first[:, 1] * second[:, 0])


def _shaded(quads: Array, towards: npt.NDArray[np.bool_], patches: Sequence[Patch], light: Array) -> Array:
    """Return the colour and opacity of each quadrilateral, shape (n, 4), 0..1."""
    normal = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1])
    normal *= np.where(towards, 1.0, -1.0)[:, None] / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    front = np.concatenate([part.front for part in patches])
    back = np.concatenate([part.front if part.back is None else part.back for part in patches])
    finish = _each(patches, [(part.finish.gloss, part.finish.metal, part.finish.clear) for part in patches])
    middle = (quads[:, 0] + quads[:, 2]) / 2
    return _lit(np.where(towards[:, None], front, back), normal, middle, finish, light)


def _lit(colour: Array, normal: Array, middle: Array, finish: Array, light: Array) -> Array:
    """Shade: wrapped Lambert light, Blinn-Phong highlight, a mirrored window, a banded room for metal, dark rims for glass."""
    gloss, metal, clear = finish.T
    facing = np.clip(normal[:, 2], 0.0, 1.0)
    diffuse = np.clip((normal @ light + _WRAP) / (1 + _WRAP), 0.0, 1.0)
    half = light + np.array([0.0, 0.0, 1.0])
    aligned = np.clip(normal @ (half / np.linalg.norm(half)), 0.0, 1.0)
    window = np.exp(-(((normal[:, 0] - np.sign(light[0]) * 0.6) / 0.1) ** 2) - 4 * normal[:, 1] ** 2)
    highlight = gloss * aligned ** (8 + 60 * gloss) + 0.45 * gloss**2 * window
    # A near room looks different from each point of even a flat mirror, hence the position in the phase.
    room = 0.5 + 0.5 * np.cos(7 * np.arccos(aligned) + middle @ (1.1, 2.6, 0.0))
    depth_cue = 0.88 + 0.12 * (middle[:, 2] - middle[:, 2].min()) / max(float(np.ptp(middle[:, 2])), 1e-9)
    strength = (_AMBIENT + _DIFFUSE * diffuse) * depth_cue
    strength = strength * (1 - metal) + metal * (0.3 + 0.8 * room)
    strength *= 1 - 0.7 * clear * (1 - facing) ** 2
    opacity = 1 - clear * facing**0.6 + highlight
    return np.clip(np.column_stack([colour * strength[:, None] + highlight[:, None], opacity]), 0.0, 1.0)


def _painted(screen: Array, colours: Array, size: int) -> Pixels:
    """Fill the quadrilaterals from far to near, supersampled."""
    # CMYK stands for "four plain channels": Pillow would divide an RGBA picture's colours by its opacity when averaging.
    canvas = Image.new("CMYK", (SUPERSAMPLING * size, SUPERSAMPLING * size))
    fill = ImageDraw.Draw(canvas).polygon
    inks = np.rint(np.column_stack([colours[:, :3] * colours[:, 3:], colours[:, 3]]) * 255).astype(np.uint8).tolist()
    for corners, ink in zip((screen * SUPERSAMPLING).reshape(-1, 8).tolist(), inks, strict=True):
        fill(corners, fill=tuple(ink))
    return _as_floats(np.asarray(canvas.reduce(SUPERSAMPLING)).transpose(2, 0, 1))


def _cast(shadow: Array, opacity: float, size: int, softness: float) -> Pixels:
    """Fill the quadrilaterals of the shadow and blur them; glass lets some light through."""
    side = size // _SHADOW_SCALE
    canvas = Image.new("L", (side, side))
    fill = ImageDraw.Draw(canvas).polygon
    ink = int(255 * (0.3 + 0.7 * opacity))
    for corners in (shadow / _SHADOW_SCALE).reshape(-1, 8).tolist():
        fill(corners, fill=ink)
    soft = canvas.filter(ImageFilter.GaussianBlur(softness * side)).resize((size, size), Image.Resampling.BICUBIC)
    return _as_floats(np.asarray(soft))


def _as_floats(pixels: npt.NDArray[np.uint8]) -> Pixels:
    return np.divide(pixels, np.float32(255), order="C", dtype=np.float32)
