"""Colours, random choices and smooth variation shared by all drawn objects."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pipeline_lib.data.sample.geometry import Array, Colour

T = TypeVar("T")
Field = Callable[[Array, Array], Array]
"""(u, v) -> a value about -1..1."""
Painter = Callable[[Array, Array], Array]
"""(u, v) -> colours, with an axis of 3 more."""

WHITE: Colour = (0.96, 0.96, 0.95)
BLACK: Colour = (0.1, 0.1, 0.11)
SILVER: Colour = (0.8, 0.81, 0.83)
GOLD: Colour = (0.86, 0.67, 0.3)


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """Return one of the options."""
    return options[int(rng.integers(len(options)))]


def near(rng: np.random.Generator, colour: Colour, spread: float = 0.04) -> Colour:
    """Return a colour close to the given one: hue by a third of ``spread``, saturation and value by ``spread``."""
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    shift = rng.uniform(-spread, spread, 3)
    return colorsys.hsv_to_rgb(
        (hue + shift[0] / 3) % 1.0, float(np.clip(saturation + shift[1], 0, 1)), float(np.clip(value + shift[2], 0, 1))
    )


def vivid(rng: np.random.Generator) -> Colour:
    """Return a strong colour of any hue."""
    return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.55, 0.95), rng.uniform(0.5, 0.95))


def shaded(colour: Colour | Array, brightness: Array) -> Array:
    """Return the colours times a brightness, which gains an axis of 3."""
    return np.asarray(np.asarray(colour) * brightness[..., None])


def darker(colour: Colour, factor: float) -> Colour:
    """Return a colour times a factor."""
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def mixed(a: Colour | Array, b: Colour | Array, share: npt.ArrayLike) -> Array:
    """Return ``a`` where share is 0, ``b`` where it is 1, and the blend between; share gains an axis of 3."""
    weight = np.clip(np.asarray(share, dtype=np.float64), 0.0, 1.0)[..., None]
    return np.asarray(np.asarray(a) * (1 - weight) + np.asarray(b) * weight)


def ripple(rng: np.random.Generator, *, u: int = 3, v: float = 3.0, waves: int = 5) -> Field:
    """Return smooth random variation that closes on itself over u: waves of up to ``u`` and ``v`` periods."""
    across = rng.integers(-u, u + 1, waves)
    along = rng.uniform(-v, v, waves)
    phase = rng.uniform(0, 2 * np.pi, waves)
    size = rng.uniform(0.5, 1.0, waves)
    size /= np.sqrt(np.sum(size**2) * 2)

    def at(us: Array, vs: Array) -> Array:
        angle = 2 * np.pi * (us[..., None] * across + vs[..., None] * along) + phase
        return np.asarray(np.cos(angle) @ size)

    return at


def speckled(rng: np.random.Generator, colour: Colour, amount: float = 0.05) -> Painter:
    """Return a paint of one colour whose brightness varies from cell to cell by a standard deviation of ``amount``."""

    def at(us: Array, vs: Array) -> Array:
        return shaded(colour, 1 + rng.normal(0, amount, us.shape))

    return at


def writing(rng: np.random.Generator, frame: tuple[float, float, float, float], rows: int, *, letters: int = 14) -> Array:
    """Return boxes (u0, u1, v0, v1), shape (n, 4), that look like lines of text from afar.

    Args:
        rng: Source of gaps between words, of tall and low letters, and of lines that end early.
        frame: (u0, u1, v0, v1) of the text.
        rows: Lines of text.
        letters: Letters in a full line; few make large blocks that pass for whole words.
    """
    u0, u1, v0, v1 = frame
    across, down = (u1 - u0) / letters, (v1 - v0) / rows
    column, row = np.meshgrid(np.arange(letters), np.arange(rows))
    ends = letters * np.where(rng.random(rows) < 0.3, rng.uniform(0.4, 1.0, rows), 1.0)
    kept = (rng.random(column.shape) > 0.15) & (column < ends[:, None])
    left, foot = u0 + column * across, v1 - (row + 0.62) * down
    tall = 0.6 * down * rng.choice((0.72, 0.72, 1.0), column.shape)
    return np.asarray(np.stack([left, left + 0.78 * across, foot, foot + tall], axis=-1)[kept])
