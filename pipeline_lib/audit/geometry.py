"""Whether one picture is a part, a turned, scaled or mirrored copy of another: registration by points, and correlation.

All sums over descriptors are of whole numbers below 2**24, which float32 holds exactly: what is measured on two pictures
does not depend on the pictures beside them, on the number of threads, or on the library that multiplies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from pipeline_lib.audit.sketch import MIRROR, Array

RATIO = 0.75
"""A point is matched if the nearest descriptor is at most this much as far away as the second (Lowe 2004, section 7.1)."""

REPROJECTION = 4.0
"""Pixels by which a matched point may miss its place."""

FEWEST = 8
"""Matched points below which no transform is looked for; four would fit any."""

MOST_SCALE = 6.0
"""Times by which one picture may be larger than the other."""

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

_LEAST_VARIANCE = 1.0
"""Variance of an overlap, of 255 squared, below which it has nothing to correlate."""


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
    for mirrored, rows in ((False, mine), (True, mine[:, MIRROR])):
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
    scale, angle = _size_and_angle(transform, one["size"])
    spread = min(_spread(source[agreed], one["size"]), _spread(target[agreed], other["size"]))
    overlap = _overlap(corners, other["size"])
    return int(agreed.sum()), mirrored, scale, angle, spread, overlap, _likeness(one, other, transform, mirrored)


def _corners(size: Array) -> Array:
    width, height = size
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)


def _corners_laid(transform: Array, size: Array) -> Array | None:
    """Return where a picture's corners come to lie, (4, 2); None where it is folded, turned inside out or out of proportion."""
    corners = _corners(size)
    if (corners @ transform[2, :2] + transform[2, 2]).min() <= 0:
        return None
    laid = cv2.perspectiveTransform(corners[None], transform)[0]
    larger = cv2.contourArea(laid, oriented=True) / cv2.contourArea(corners, oriented=True)
    return laid if cv2.isContourConvex(laid) and MOST_SCALE**-2 <= larger <= MOST_SCALE**2 else None


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
    frame = _corners(size)
    shared, _ = cv2.intersectConvexConvex(corners, frame)
    return min(1.0, float(shared / min(cv2.contourArea(corners), cv2.contourArea(frame))))


def _likeness(one: Any, other: Any, transform: Array, mirrored: bool) -> float:
    """Return the correlation of two pictures' colours where they overlap, at the size of their thumbnails."""
    left, right = (each["thumbnail"][: each["inside"][1], : each["inside"][0]] for each in (one, other))
    left = np.ascontiguousarray(left[:, ::-1] if mirrored else left)
    enlarge = np.diag([one["size"][0] / left.shape[1], one["size"][0] / left.shape[1], 1])
    reduce = np.diag([right.shape[1] / other["size"][0], right.shape[1] / other["size"][0], 1])
    matrix: Array = reduce @ transform @ enlarge
    everywhere: Array = np.full(left.shape[:2], 255, np.uint8)
    laid, mask = (cv2.warpPerspective(each, matrix, right.shape[1::-1]) for each in (left, everywhere))
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
