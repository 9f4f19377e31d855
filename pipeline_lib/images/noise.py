"""How noisy an image is: white noise that was added last, estimated from the image alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NOISY = 2.0
"""Estimate from which on an image is called noisy; seven of eight clean photographs are below it."""

LEVEL = 25.0
"""What noise is measured in where it is an input of a model."""

DARK, BRIGHT = 9, 246
"""Darkest and brightest pixel that counts: nearer to 0 and 255 noise is cut off, and an even background is no evidence."""

_PER_SIGMA = 0.6745 * 6
"""Median of the absolute response to white noise of standard deviation 1: the mask's norm is 6, a normal's quartile 0.6745."""

MOST = 50 * _PER_SIGMA
"""Median response beyond which the curve has not been fitted."""

_CURVE = (-5.0e-4, 0.0342, 0.527, 0.892)
"""Cubic, highest power first, from response to noise: see docs/decisions/021-depths-and-noise.md."""


def estimate_noise(planes: NDArray[np.uint8]) -> float:
    """Return the standard deviation of an image's noise, of 255, to two decimals: 0.9 to 50.3.

    The mask (1, -2, 1) x (1, -2, 1) answers to noise and hardly to what is smooth or an edge (Immerkaer 1996, Fast noise
    variance estimation); the median over the pixels passes over texture. A curve corrects what the file format, the range of
    0 to 255 and texture do to it.

    Args:
        planes: The colours, (c, h, w), at least one of each, at the size at which the noise was added.
    """
    return noise_of(float(np.median([_response(plane) for plane in planes])))


def noise_of(median: float) -> float:
    """Return the standard deviation of the noise, of 255, to two decimals, at a median absolute response to the mask."""
    return round(float(np.polyval(_CURVE, min(median, MOST) / _PER_SIGMA)), 2)


def noise_level(noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the level of noise of images by their estimates: 0 up to `NOISY`, then 1 per 25 of 255; about 0 to 2."""
    level: NDArray[np.float32] = np.maximum(noise - np.float32(NOISY), 0) / np.float32(LEVEL)
    return level


def _response(plane: NDArray[np.uint8]) -> float:
    """Return the median absolute response of a plane (h, w) to the mask; 0 where no pixel counts."""
    values = plane.astype(np.int16)
    rows = values[2:] - 2 * values[1:-1] + values[:-2]
    response = np.abs(rows[:, 2:] - 2 * rows[:, 1:-1] + rows[:, :-2])
    inner = plane[1:-1, 1:-1]
    counts = np.bincount(response[(inner >= DARK) & (inner <= BRIGHT)])
    below = np.cumsum(counts)
    return float(np.searchsorted(below, (below[-1] + 1) // 2)) if len(below) else 0.0
