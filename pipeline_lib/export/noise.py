"""The estimate of an image's noise and its removal as nodes: what ``images.noise`` and ``images.denoise`` compute."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from pipeline_lib.export.nodes import Nodes, either, integers, number
from pipeline_lib.images.denoise import BLOCK, SHIFTS, THRESHOLD, cosines
from pipeline_lib.images.noise import BRIGHT, DARK, LEVEL, MOST, NOISY, noise_of

_MASK = np.outer([1, -2, 1], [1, -2, 1]).astype(np.float32)
_BASIS = np.kron(cosines(BLOCK), cosines(BLOCK)).reshape(BLOCK * BLOCK, 1, BLOCK, BLOCK)
_COLOURS = cosines(3)


def estimate(add: Nodes, planes: str) -> str:
    """Add the estimate and return its name: float32 (1,), as ``estimate_noise`` has it.

    The median of whole numbers is found by counting them, and the noise that belongs to it is looked up.

    Args:
        add: The graph.
        planes: Name of the image, float32 (1, 3, h, w), whole numbers.
    """
    responses = add("Abs", add("Conv", planes, np.broadcast_to(_MASK, (3, 1, 3, 3)).copy(), group=3))
    largest = int(np.ceil(MOST))
    places = add("Cast", add("Min", responses, number(largest)), to=TensorProto.INT64)
    inner = add("Slice", planes, integers(1, 1), integers(-1, -1), integers(2, 3))
    bounds = (add("GreaterOrEqual", inner, number(DARK)), add("LessOrEqual", inner, number(BRIGHT)))
    counted = add("Cast", add("And", *bounds), to=TensorProto.FLOAT)
    rows = integers(3, -1)
    counts = add(
        "ScatterElements",
        np.zeros((3, largest + 1), np.float32),
        add("Reshape", places, rows),
        add("Reshape", counted, rows),
        axis=1,
        reduction="add",
    )
    below = add("CumSum", counts, integers(1))
    half = add("Floor", add("Div", add("Add", add("ReduceMax", below, integers(1)), number(1)), number(2)))
    medians = add("ReduceSum", add("Cast", add("Less", below, half), to=TensorProto.FLOAT), integers(1), keepdims=0)
    total, ends = add("ReduceSum", medians, keepdims=1), [add(f"Reduce{end}", medians, keepdims=1) for end in ("Min", "Max")]
    middle = add("Cast", add("Sub", add("Sub", total, ends[0]), ends[1]), to=TensorProto.INT64)
    return add("Gather", np.array([noise_of(median) for median in range(largest + 1)], np.float32), middle)


def level(add: Nodes, noise: str) -> str:
    """Add the level of noise that a head is given, and return its name: float32 (1,), as ``noise_level`` has it."""
    return add("Div", add("Max", add("Sub", noise, number(NOISY)), number(0)), number(LEVEL))


def cleaned(add: Nodes, planes: str, noise: str, size: int) -> str:
    """Add what removes the noise of a noisy image and leaves others alone; return the name of float32 (1, 3, size, size).

    Args:
        add: The graph.
        planes: Name of the image, float32 (1, 3, size, size), whole numbers 0..255.
        noise: Name of its estimate.
        size: A multiple of 8.
    """
    noisy = add("GreaterOrEqual", noise, number(NOISY))
    shape = [1, 3, size, size]
    return either(add, noisy, lambda nodes: _denoised(nodes, planes, noise, size), lambda nodes: planes, shape, "denoised")


def _denoised(add: Nodes, planes: str, noise: str, size: int) -> str:
    """Add ``images.denoise.denoised``: a convolution whose stride is its width transforms blocks, its transpose goes back."""
    threshold = add("Mul", noise, number(THRESHOLD))
    colours = add("Transpose", add("Conv", planes, _COLOURS[:, :, None, None]), perm=[1, 0, 2, 3])
    sums, weights = zip(*(_shifted(add, colours, threshold, shift, size) for shift in SHIFTS), strict=True)
    mean = add("Div", add("Sum", *sums), add("Sum", *weights))
    image = add("Conv", add("Transpose", mean, perm=[1, 0, 2, 3]), _COLOURS.T[:, :, None, None].copy())
    return add("Clip", add("Round", image), number(0), number(255))


def _shifted(add: Nodes, image: str, threshold: str, shift: tuple[int, int], size: int) -> tuple[str, str]:
    """Add one grid of blocks; return the names of its weighted image and of its weights, (3, 1, size, size)."""
    ends = [start + BLOCK * ((size - start) // BLOCK) for start in shift]
    inside = add("Slice", image, integers(*shift), integers(*ends), integers(2, 3))
    coefficients = add("Conv", inside, _BASIS, strides=[BLOCK, BLOCK])
    large = add("GreaterOrEqual", add("Abs", coefficients), threshold)
    mean = np.zeros((1, BLOCK * BLOCK, 1, 1), np.bool_)
    mean[0, 0] = True
    kept = add("Cast", add("Or", large, mean), to=TensorProto.FLOAT)
    weights = add("Reciprocal", add("ReduceSum", kept, integers(1), keepdims=1))
    blocks = add("Mul", coefficients, add("Mul", kept, weights))
    around = integers(0, 0, *shift, 0, 0, *(size - end for end in ends))
    both = (blocks, _BASIS), (weights, np.ones((1, 1, BLOCK, BLOCK), np.float32))
    pasted = (add("ConvTranspose", *each, strides=[BLOCK, BLOCK]) for each in both)
    image, weight = (add("Pad", each, around) for each in pasted)
    return image, weight
