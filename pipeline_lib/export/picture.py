"""The central square of a picture of any size, as nodes: what ``images.prepare.fit`` gives, in every runtime."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from pipeline_lib.export.nodes import Nodes, either, integers, number

UNITS = 2.0**22
"""Pillow's weights are whole multiples of one such part, and so are these: fewer sums then end on the other side of a half."""


def square(add: Nodes, images: str, size: int) -> str:
    """Add what crops and scales a picture, and return the name of float32 (1, 3, size, size) of whole numbers 0..255.

    Bilinear with antialiasing, as Pillow computes it: two passes, each rounded to whole numbers; a pixel outside the square
    counts where the filter reaches it. Both passes are products with a matrix that is made of the picture's size, because the
    operator Resize knows no square that begins between two pixels.

    Args:
        add: The graph.
        images: Name of the picture, uint8 (1, h, w, 3).
        size: Side of the square.
    """
    shape = add("Shape", images)
    height, width = (add("Gather", shape, integers(axis)) for axis in (1, 2))
    side = add("Min", height, width)
    rows, down = _axis(add, height, side, size)
    columns, across = _axis(add, width, side, size)
    starts, ends = (add("Concat", rows[end], columns[end], axis=0) for end in (0, 1))
    seen = add("Transpose", add("Slice", images, starts, ends, integers(1, 2)), perm=[0, 3, 1, 2])
    pixels = add("Cast", seen, to=TensorProto.FLOAT)
    return either(
        add,
        _columns_first(add, height, width, size),
        lambda nodes: _passed(nodes, _passed(nodes, pixels, down, axis=2), across, axis=3),
        lambda nodes: _passed(nodes, _passed(nodes, pixels, across, axis=3), down, axis=2),
        [1, 3, size, size],
        "square",
    )


def _columns_first(add: Nodes, height: str, width: str, size: int) -> str:
    """Add whether Pillow 13 begins with the columns, as was found by trying: the other order differs by 1 in many pixels."""
    side = integers(size)
    much = add("Greater", add("Add", height, side), add("Mul", width, integers(2)))
    return add("And", add("Greater", height, side), much)


def _passed(add: Nodes, pixels: str, weights: str, axis: int) -> str:
    """Add one pass along an axis of (1, 3, h, w), rounded to whole numbers, halves upwards."""
    factors = (weights, pixels) if axis == 2 else (pixels, add("Transpose", weights, perm=[1, 0]))
    return add("Floor", add("Add", add("MatMul", *factors), number(0.5)))


def _axis(add: Nodes, length: str, side: str, size: int) -> tuple[tuple[str, str], str]:
    """Add what belongs to an axis; return its first pixel that counts, the one behind the last, and the weights (size, pixels).

    Args:
        add: The graph.
        length: Name of the picture's length along the axis, int64 (1,).
        side: Name of the side of its central square, int64 (1,).
        size: Pixels that the square is scaled to.
    """
    margin = add("Add", add("Div", side, integers(size)), integers(2))  # at least as far as the filter reaches
    before = add("Div", add("Sub", length, side), integers(2))
    first = add("Max", add("Sub", before, margin), integers(0))
    behind = add("Min", add("Add", add("Add", add("Add", before, side), margin), integers(1)), length)
    scale = add("Div", _double(add, side), np.array([size], np.float64))
    start = add("Div", _double(add, add("Sub", length, side)), np.array([2], np.float64))
    centres = add("Add", start, add("Mul", scale, np.arange(size)[:, None] + 0.5))
    scalars = (add("Squeeze", end) for end in (first, behind))
    pixels = add("Add", _double(add, add("Range", *scalars, np.array(1, np.int64))), np.array([0.5]))
    reach = add("Max", scale, np.array([1.0]))
    distances = add("Div", add("Abs", add("Sub", pixels, centres)), reach)
    triangle = add("Max", add("Sub", np.array([1.0]), distances), np.array([0.0]))
    weights = add("Div", triangle, add("ReduceSum", triangle, integers(1), keepdims=1))
    units = add("Floor", add("Add", add("Mul", weights, np.array([UNITS])), np.array([0.5])))
    return (first, behind), add("Cast", add("Div", units, np.array([UNITS])), to=TensorProto.FLOAT)


def _double(add: Nodes, value: str) -> str:
    return add("Cast", value, to=TensorProto.DOUBLE)
