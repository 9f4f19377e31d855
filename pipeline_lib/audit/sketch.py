"""What is kept of a picture to compare it with others: points with descriptors, and a thumbnail."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 224
"""Pixels of the longer side of a picture when its points are found."""

POINTS = 300
"""Most points of a picture, those of highest contrast."""

CONTRAST = 0.01
"""Least contrast of a point, a quarter of OpenCV's default: plain bottles and brooms have few points of more."""

THUMBNAIL = 96
"""Pixels of the longer side of the small copy whose colours are compared."""

SKETCH = np.dtype(
    [
        ("count", "u2"),
        ("size", "f4", 2),
        ("points", "f4", (POINTS, 2)),
        ("descriptors", "u1", (POINTS, 128)),
        ("thumbnail", "u1", (THUMBNAIL, THUMBNAIL, 3)),
        ("inside", "u2", 2),
    ]
)
"""A record of 68 kB: ``count`` points (x, y in pixels of a copy of ``size`` width x height) with their descriptors, and a
thumbnail, of which ``inside`` (width, height) is filled."""

MIRROR = np.arange(128).reshape(4, 4, 8)[::-1, :, (8 - np.arange(8)) % 8].ravel()
"""Where the values of a mirrored picture's descriptor are in that of the picture.

A SIFT descriptor is 4 rows x 4 columns x 8 directions in a frame turned to the point's own direction. Mirroring keeps that
axis and turns the other one around: rows swap, and directions change their sign.
"""

Array = NDArray[Any]


def sketch(image: Array, into: Any) -> None:
    """Find the points of a picture and fill in its record.

    Args:
        image: (height, width, 3) uint8, RGB.
        into: One record of `SKETCH`, all zeros.
    """
    small = _scaled(image, SIDE)
    thumbnail = _scaled(small, THUMBNAIL)
    points, descriptors = _points(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
    height, width = thumbnail.shape[:2]
    into["count"] = len(points)
    into["size"] = small.shape[1], small.shape[0]
    into["points"][: len(points)] = points
    into["descriptors"][: len(points)] = descriptors
    into["thumbnail"][:height, :width] = cv2.GaussianBlur(thumbnail, (0, 0), 1.0)
    into["inside"] = width, height


def _scaled(image: Array, side: int) -> Array:
    factor = side / max(image.shape[:2])
    size = [max(1, round(factor * length)) for length in (image.shape[1], image.shape[0])]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)


def _points(grey: Array) -> tuple[Array, Array]:
    """Return points (n, 2) and their RootSIFT descriptors (n, 128) uint8 of length 512 (Arandjelovic and Zisserman 2012)."""
    sift = cv2.SIFT_create(nfeatures=POINTS, contrastThreshold=CONTRAST)  # type: ignore[attr-defined]
    found, descriptors = sift.detectAndCompute(grey, None)
    if descriptors is None:
        return np.empty((0, 2), np.float32), np.empty((0, 128), np.uint8)
    sums = np.maximum(descriptors.sum(axis=1, keepdims=True), 1)
    rooted = np.clip(np.rint(512 * np.sqrt(descriptors / sums)), 0, 255).astype(np.uint8)
    return np.asarray(cv2.KeyPoint.convert(found))[:POINTS], rooted[:POINTS]
