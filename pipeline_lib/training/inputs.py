"""How rows of features enter the first dense layer: standardised, and by their level of noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.models.outputs import Take, reads

Floats = NDArray[np.float32]

LEAST_DEVIATION = 1e-3
"""Smallest divisor: features are 0..6, and one that hardly varies says nothing, whatever it is multiplied by."""


@dataclass(frozen=True)
class Standardisation:
    """Mean and deviation of every feature.

    Attributes:
        mean: (width,), float32.
        deviation: (width,), float32, above 0.
    """

    mean: Floats
    deviation: Floats


def standardisation_of(take: Take, rows: NDArray[np.int64], width: int) -> Standardisation:
    """Return mean and standard deviation of the first ``width`` columns of rows; memory holds one read at a time."""
    total, squares = np.zeros((2, width))
    for inputs in reads(take, rows):
        features = inputs[:, :width].astype(np.float64)
        total += features.sum(axis=0)
        squares += np.square(features, out=features).sum(axis=0)
    mean = total / len(rows)
    deviation = np.sqrt(np.maximum(squares / len(rows) - mean**2, LEAST_DEVIATION**2))
    return Standardisation(mean.astype(np.float32), deviation.astype(np.float32))


def unstandardised(width: int) -> Standardisation:
    """Return what leaves features as they are."""
    return Standardisation(np.zeros(width, np.float32), np.ones(width, np.float32))


class FirstLayer:
    """The products of rows with the first layer of a classifier, as if the rows were standardised and had ``ByNoise`` behind.

    Neither is done to the rows. For features x of mean m and deviation s, a weight W on (x - m) / s is W / s on x and a bias of
    -W m / s; and a weight on z t is one on z whose outputs are multiplied by t. So a step reads its rows once, as they are.

    Args:
        standardisation: Of the features, (width,).
        noise_aware: Whether rows end with the level of noise.
    """

    def __init__(self, standardisation: Standardisation, *, noise_aware: bool) -> None:
        self._mean, self._scale = standardisation.mean, 1 / standardisation.deviation
        self._noise_aware = noise_aware

    def outputs(self, rows: Floats, weight: Floats, bias: Floats) -> Floats:
        """Return the layer's outputs (n, units), for a weight (units, width), or (units, 2 width + 1) if noise-aware."""
        features, levels = self._parts(rows)
        plain, shift = self._folded(weight)
        outputs = features @ plain.T
        outputs += shift
        if levels is None:
            outputs += bias
            return outputs
        units = len(bias)
        changing = outputs[:, units:]
        changing += weight[:, -1]
        changing *= levels
        changing += outputs[:, :units]
        changing += bias
        return changing

    def gradient(self, rows: Floats, error: Floats, out: Floats) -> None:
        """Set the gradient of the weight, from the error (n, units) of the outputs."""
        features, levels = self._parts(rows)
        errors = error if levels is None else np.concatenate([error, error * levels], axis=1)
        gradient = errors.T @ features
        gradient -= np.outer(errors.sum(axis=0), self._mean)
        gradient *= self._scale
        width, units = len(self._mean), error.shape[1]
        out[:, :width] = gradient[:units]
        if levels is not None:
            out[:, width:-1] = gradient[units:]
            out[:, -1] = errors[:, units:].sum(axis=0)

    def folded(self, weight: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """Return the weight and the bias that give the same outputs for rows that are not standardised."""
        plain, shift = self._folded(weight)
        if not self._noise_aware:
            return plain, bias + shift
        units = len(bias)
        on_level = weight[:, -1] + shift[units:]
        return np.concatenate([plain[:units], plain[units:], on_level[:, None]], axis=1), bias + shift[:units]

    def _parts(self, rows: Floats) -> tuple[Floats, Floats | None]:
        """Return the features (n, width) of rows, and their levels of noise (n, 1) if they have them."""
        return (rows[:, :-1], rows[:, -1:]) if self._noise_aware else (rows, None)

    def _folded(self, weight: Floats) -> tuple[Floats, Floats]:
        """Return weights (k units, width) on features as they are, and what they add to the outputs, (k units,)."""
        width = len(self._mean)
        plain = np.concatenate([weight[:, :width], weight[:, width:-1]]) if self._noise_aware else weight.copy()
        plain *= self._scale
        return plain, -plain @ self._mean
