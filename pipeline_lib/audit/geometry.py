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

FEWEST = 8
"""Matched points below which no transform is looked for; four would fit any."""

MOST_SCALE = 6.0
"""Times by which one picture may be larger than the other."""

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
    """Measure how well a picture can be laid on each of the others, mirrored or not, by a change of perspective.

    A homography covers shifts, turns, changes of size, shears and slanted views, all of which augmentation uses.

    Args:
        one: A record of `SKETCH`.
        others: Records of `SKETCH`.

    Returns:
        (len(others),) of `MEASURED`: ``inliers``, the points that agree on one transform; whether the picture was
        ``mirrored`` for it; the transform's ``scale`` and ``angle`` (degrees, counter-clockwise as seen) in the middle of the
        picture; ``spread``, the area between the points as a share of the picture's own, 0..1, the lesser one; ``overlap``,
        the shared area as a share of the smaller picture's, 0..1; ``correlation`` of the colours there, -1..1.
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
    """Lay a picture on another by its matched points; return a record of `MEASURED`, None where no transform is found."""
    if len(matches[0]) < FEWEST:
        return None
    source, target = one["points"][matches[0]].copy(), other["points"][matches[1]]
    if mirrored:
        source[:, 0] = one["size"][0] - 1 - source[:, 0]
    transform, inside = cv2.findHomography(source, target, cv2.RANSAC, REPROJECTION)
    corners = None if transform is None else _corners_laid(transform, one["size"])
    if corners is None:
        return None
    agreed = inside.ravel().astype(bool)
    spread = min(_spread(source[agreed], one["size"]), _spread(target[agreed], other["size"]))
    overlap = _overlap(corners, other["size"])
    return (
        int(agreed.sum()),
        mirrored,
        *_size_and_angle(transform, one["size"]),
        spread,
        overlap,
        _likeness(one, other, transform, mirrored),
    )


def _corners_laid(transform: Array, size: Array) -> Array | None:
    """Return where a picture's corners come to lie, (4, 2); None where it is folded, turned inside out or out of proportion."""
    width, height = size
    corners = _corners(size)
    depths = np.column_stack([corners, np.ones(4)]) @ transform[2]
    if depths.min() <= 0:
        return None
    laid = cv2.perspectiveTransform(corners[None], transform)[0].astype(np.float32)
    area = cv2.contourArea(laid, oriented=True) / (width * height)
    sound = cv2.isContourConvex(laid) and 1 / MOST_SCALE**2 <= area <= MOST_SCALE**2
    return laid if sound else None


def _corners(size: Array) -> Array:
    width, height = size
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)


def _size_and_angle(transform: Array, size: Array) -> tuple[float, float]:
    """Return by how much a transform enlarges the middle of a picture and turns it, in degrees, counter-clockwise as seen."""
    x, y, depth = transform @ [size[0] / 2, size[1] / 2, 1]
    slopes = (transform[:2, :2] - np.outer([x / depth, y / depth], transform[2, :2])) / depth
    angle = np.degrees(np.arctan2(slopes[0, 1] - slopes[1, 0], slopes[0, 0] + slopes[1, 1]))
    return float(np.sqrt(abs(np.linalg.det(slopes)))), float(angle)


def _spread(points: Array, size: Array) -> float:
    """Return the area of the points' convex hull as a share of the picture's."""
    return float(cv2.contourArea(cv2.convexHull(points)) / (size[0] * size[1]))


def _overlap(corners: Array, size: Array) -> float:
    """Return the area that a picture laid on another shares with it, as a share of the smaller of the two."""
    shared, _ = cv2.intersectConvexConvex(corners, _corners(size))
    return min(1.0, float(shared / min(cv2.contourArea(corners), size[0] * size[1])))


def _likeness(one: Any, other: Any, transform: Array, mirrored: bool) -> float:
    """Return the correlation of two pictures' colours where they overlap, at the size of their thumbnails."""
    left, right = (each["thumbnail"][: each["inside"][1], : each["inside"][0]] for each in (one, other))
    left = np.ascontiguousarray(left[:, ::-1] if mirrored else left)
    smaller, larger = (
        np.diag([side / each["size"][0], side / each["size"][0], 1])
        for side, each in ((right.shape[1], other), (left.shape[1], one))
    )
    matrix: Array = smaller @ transform @ np.linalg.inv(larger)
    laid = cv2.warpPerspective(left, matrix, right.shape[1::-1], flags=cv2.INTER_LINEAR)
    mask = cv2.warpPerspective(np.full(left.shape[:2], 255, np.uint8), matrix, right.shape[1::-1], flags=cv2.INTER_LINEAR)
    return _correlation(laid[mask == 255], right[mask == 255])


def _correlation(one: Array, other: Array) -> float:
    """Return the correlation of colours, (n, 3) each; every channel counts from its own mean."""
    if not len(one):
        return 0.0
    left, right = (colours - colours.mean(axis=0) for colours in (one.astype(np.float64), other.astype(np.float64)))
    variances = (left**2).mean(), (right**2).mean()
    if min(variances) < _LEAST_VARIANCE:
        return 0.0
    return float((left * right).mean() / np.sqrt(variances[0] * variances[1]))
