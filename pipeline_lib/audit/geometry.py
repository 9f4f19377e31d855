"""Whether one picture is a part, a turned, scaled or mirrored copy of another: local features, registration, correlation.

All sums over descriptors are of whole numbers below 2**24, which float32 holds exactly: what is measured on two pictures
does not depend on the pictures beside them, on the number of threads, or on the library that multiplies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 224
"""Pixels of the longer side of a picture when its points are found."""

POINTS = 300
"""Most points of a picture, those of highest contrast."""

THUMBNAIL = 96
"""Pixels of the longer side of the small copy whose colours are compared."""

RATIO = 0.75
"""A point is matched if the nearest descriptor is at most this much as far away as the second (Lowe 2004, section 7.1)."""

REPROJECTION = 4.0
"""Pixels, at `SIDE`, by which a matched point may miss its place."""

FEWEST = 4
"""Matched points below which no transform is looked for; two would fit any."""

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
"""What is kept of a picture to compare it: ``count`` points (x, y in pixels of its copy of ``size`` width x height) with their
descriptors, and a thumbnail, of which ``inside`` (width, height) is filled."""

MEASURED = np.dtype(
    [
        ("inliers", "u2"),
        ("mirrored", "?"),
        ("scale", "f2"),
        ("angle", "f2"),
        ("spread", "f2"),
        ("overlap", "f2"),
        ("correlation", "f2"),
    ]
)
"""What is measured on two pictures: see `compare`."""

Array = NDArray[Any]

_MIRROR = (np.arange(128).reshape(4, 4, 8)[::-1, :, (8 - np.arange(8)) % 8]).ravel()
"""Places of a descriptor's values in the descriptor of the mirrored picture.

A SIFT descriptor is 4 rows x 4 columns x 8 directions in a frame turned to the point's own direction. Mirroring keeps that
axis and turns the other around: rows swap, and directions change their sign.
"""

_LEAST_VARIANCE = 1.0
"""Variance of an overlap, of 255 squared, below which it has nothing to correlate."""


def sketch(image: Array, into: Any) -> None:
    """Find the points of a picture and fill in its record.

    Args:
        image: (height, width, 3) uint8, RGB.
        into: One record of `SKETCH`.
    """
    small = _scaled(image, SIDE)
    points, descriptors = _points(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
    thumbnail = _scaled(image, THUMBNAIL)
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
    found, descriptors = cv2.SIFT_create(nfeatures=POINTS).detectAndCompute(grey, None)  # type: ignore[attr-defined]
    if descriptors is None:
        return np.empty((0, 2), np.float32), np.empty((0, 128), np.uint8)
    sums = np.maximum(descriptors.sum(axis=1, keepdims=True), 1)
    rooted = np.clip(np.rint(512 * np.sqrt(descriptors / sums)), 0, 255).astype(np.uint8)
    return np.asarray(cv2.KeyPoint.convert(found))[:POINTS], rooted[:POINTS]


def compare(one: Any, others: Sequence[Any]) -> Array:
    """Measure how well a picture can be laid on each of the others by scaling, turning, shifting and mirroring it.

    Args:
        one: A record of `SKETCH`.
        others: Records of `SKETCH`.

    Returns:
        (len(others),) of `MEASURED`: ``inliers``, the points that agree on one transform; whether the picture was
        ``mirrored`` for it; the transform's ``scale`` and ``angle`` (degrees, counter-clockwise as seen); ``spread``, the area
        between the points as a share of the picture's own, 0..1, the lesser one; ``overlap``, the share of the
        pictures' area that lies on the other, 0..1, the greater one; ``correlation`` of the colours there, -1..1.
    """
    measured = np.zeros(len(others), MEASURED)
    descriptors = [other["descriptors"][: other["count"]] for other in others]
    if not one["count"] or not any(map(len, descriptors)):
        return measured
    stacked = np.concatenate(descriptors).astype(np.float32)
    ends = np.cumsum([len(each) for each in descriptors])
    mine = one["descriptors"][: one["count"]].astype(np.float32)
    for mirrored, rows in ((False, mine), (True, mine[:, _MIRROR])):
        distances = _distances(rows, stacked)
        for at, other in enumerate(others):
            matches = _matches(distances[:, ends[at] - len(descriptors[at]) : ends[at]])
            found = _register(one, other, matches, mirrored)
            if found is not None and found[0] > measured[at]["inliers"]:
                measured[at] = found
    return measured


def _distances(left: Array, right: Array) -> Array:
    """Return the squared distances of all rows, (len(left), len(right)) float32, exact."""
    products: Array = -2 * (left @ right.T)
    products += (left * left).sum(axis=1)[:, None]
    products += (right * right).sum(axis=1)
    return products


def _matches(distances: Array) -> tuple[Array, Array]:
    """Return the rows and columns of points that match: much nearer than the second, and at most one row a column."""
    if distances.shape[1] < 2:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    rows = np.arange(len(distances))
    columns = distances.argmin(axis=1)
    nearest = distances[rows, columns].copy()
    distances[rows, columns] = np.inf
    clear = nearest < RATIO**2 * distances.min(axis=1)
    rows, columns, nearest = rows[clear], columns[clear], nearest[clear]
    order = np.argsort(nearest, kind="stable")
    columns, first = np.unique(columns[order], return_index=True)
    return rows[order][first], columns


def _register(one: Any, other: Any, matches: tuple[Array, Array], mirrored: bool) -> tuple[Any, ...] | None:
    if len(matches[0]) < FEWEST:
        return None
    source, target = one["points"][matches[0]].copy(), other["points"][matches[1]]
    if mirrored:
        source[:, 0] = one["size"][0] - 1 - source[:, 0]
    transform, inside = cv2.estimateAffinePartial2D(source, target, method=cv2.RANSAC, ransacReprojThreshold=REPROJECTION)
    if transform is None:
        return None
    agreed = inside.ravel().astype(bool)
    scale = float(np.hypot(transform[0, 0], transform[1, 0]))
    angle = float(np.degrees(np.arctan2(-transform[1, 0], transform[0, 0])))
    spread = min(_spread(source[agreed], one["size"]), _spread(target[agreed], other["size"]))
    return int(agreed.sum()), mirrored, scale, angle, spread, *_overlap(one, other, transform, mirrored)


def _spread(points: Array, size: Array) -> float:
    """Return the area of the points' convex hull as a share of the picture's."""
    return float(cv2.contourArea(cv2.convexHull(points)) / (size[0] * size[1]))


def _overlap(one: Any, other: Any, transform: Array, mirrored: bool) -> tuple[float, float]:
    """Lay a picture on another; return the share of area that overlaps, of the more covered picture, and the correlation."""
    left, right = (each["thumbnail"][: each["inside"][1], : each["inside"][0]] for each in (one, other))
    if mirrored:
        left = left[:, ::-1]
    matrix = _at_thumbnails(transform, left.shape[1] / one["size"][0], right.shape[1] / other["size"][0])
    size = right.shape[1::-1]
    laid = cv2.warpAffine(np.ascontiguousarray(left), matrix, size, flags=cv2.INTER_LINEAR)
    mask = cv2.warpAffine(np.ones(left.shape[:2], np.uint8), matrix, size, flags=cv2.INTER_NEAREST).astype(bool)
    area = float(mask.sum())
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    covered = max(area / mask.size, area / max(scale**2 * left.shape[0] * left.shape[1], 1e-6))
    return min(covered, 1.0), _correlation(laid[mask], right[mask])


def _at_thumbnails(transform: Array, left: float, right: float) -> Array:
    """Return the transform between thumbnails that are ``left`` and ``right`` times as large as the pictures."""
    matrix = transform * right
    matrix[:, :2] /= left
    return matrix


def _correlation(one: Array, other: Array) -> float:
    """Return the correlation of colours, (n, 3) each; every channel counts from its own mean."""
    if not len(one):
        return 0.0
    left, right = (colours - colours.mean(axis=0) for colours in (one.astype(np.float64), other.astype(np.float64)))
    variances = (left**2).mean(), (right**2).mean()
    if min(variances) < _LEAST_VARIANCE:
        return 0.0
    return float((left * right).mean() / np.sqrt(variances[0] * variances[1]))
