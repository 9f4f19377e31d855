"""Removing noise of known strength from an image, in the cosine domain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

THRESHOLD = 2.7
"""Coefficients below this many standard deviations of the noise are taken for noise."""

SHIFTS = ((0, 0), (2, 4), (4, 1), (6, 5))
"""Where the grid of blocks begins, (row, column) in pixels, one pass each: a mean over several hides the blocks' edges.

Each pass costs 1 ms. Four are 0.5 dB behind eight, see docs/decisions/021-depths-and-noise.md.
"""

BLOCK = 8


def cosines(size: int) -> Floats:
    """Return the orthonormal cosine transform (DCT-II) of vectors of a length as a matrix (size, size)."""
    number = np.arange(size)
    matrix = np.sqrt(2 / size) * np.cos(np.pi / (2 * size) * number[:, None] * (2 * number + 1))
    matrix[0] /= np.sqrt(2)
    transform: Floats = matrix.astype(np.float32)
    return transform


_COLOURS = cosines(3)
_OF_BLOCK = np.kron(cosines(BLOCK), cosines(BLOCK))


def denoised(planes: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """Return an image without white noise of a standard deviation: small coefficients of blocks are set to 0.

    Yu and Sapiro 2011, DCT image denoising (Image Processing On Line): a cosine transform over the colours and over blocks
    of 8 x 8 pixels, hard thresholding, the inverse, and a mean over shifted grids. As in later variants a block counts the
    more, the fewer coefficients it keeps.

    Args:
        planes: Red, green and blue, (3, h, w), h and w multiples of 8.
        sigma: Standard deviation of the noise, of 255, above 0.
    """
    shape = planes.shape
    image: Floats = np.einsum("ij,jhw->ihw", _COLOURS, planes.astype(np.float32))
    total, weight = np.zeros((2, *shape), np.float32)
    for top, left in SHIFTS:
        noisy = _blocks(image, top, left)
        blocks, weights = _shrunk(noisy.reshape(*noisy.shape[:3], BLOCK * BLOCK), np.float32(THRESHOLD * sigma))
        _blocks(total, top, left)[:] += blocks.reshape(noisy.shape)
        _blocks(weight, top, left)[:] += weights[..., None, None]
    total /= weight
    colours: Floats = np.einsum("ij,ihw->jhw", _COLOURS, total)
    np.clip(np.rint(colours, out=colours), 0, 255, out=colours)
    return colours.astype(np.uint8)


def _blocks(image: Floats, top: int, left: int) -> Floats:
    """Return the blocks within an image (3, h, w) of a grid that begins at a pixel: a view (3, rows, columns, 8, 8)."""
    rows, columns = (image.shape[1] - top) // BLOCK, (image.shape[2] - left) // BLOCK
    inside = image[:, top : top + BLOCK * rows, left : left + BLOCK * columns]
    return inside.reshape(3, rows, BLOCK, columns, BLOCK).swapaxes(2, 3)


def _shrunk(blocks: Floats, threshold: np.float32) -> tuple[Floats, Floats]:
    """Return blocks (3, rows, columns, 64) without their small coefficients, times their weights, and these weights.

    A product for each row of blocks is so small that BLAS computes it on the thread that asks: images are prepared on all cores
    at once. The blocks' memory is used up: new memory costs as much here as what is computed in it.
    """
    coefficients = blocks @ _OF_BLOCK.T
    kept = np.abs(coefficients)
    np.greater_equal(kept, threshold, out=kept)
    kept[..., 0] = 1  # the mean
    weights = 1 / kept.sum(axis=-1)
    kept *= weights[..., None]
    coefficients *= kept
    return np.matmul(coefficients, _OF_BLOCK, out=blocks), weights
