"""Temperature scaling: one number that makes probabilities match how often they are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from pipeline_lib.evaluation.reliability import BINS, calibration_error, cross_entropy, probabilities, reliability

LOG_BOUND = 3.0
"""Largest absolute value of log T: temperatures from 0.05 to 20, far beyond those of usable networks."""


@dataclass(frozen=True)
class Calibration:
    """What temperature scaling does for a network, on rows that it was not trained on.

    Attributes:
        temperature: What logits are to be divided by, above 0; 1 where scaling does not help.
        error_before: Calibration error of the logits as they are, 0..1.
        error_after: Calibration error of scaled logits, each row by a temperature that was fitted without it; 0..1.
        rows: Number of rows.
    """

    temperature: float
    error_before: float
    error_after: float
    rows: int


UNSCALED = Calibration(1.0, 0.0, 0.0, 0)
"""What is known without a row to fit on: nothing."""


def calibrate(
    logits: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]], parts: NDArray[np.integer[Any]]
) -> Calibration:
    """Return the temperature that fits all rows, if scaling helps on rows that it was not fitted on.

    To see whether it does, each part of the rows is scaled by the temperature that fits the others. It helps if that lowers
    the loss, which is what is fitted, and the calibration error, which is what is promised. On a few dozen rows it may not.

    Args:
        logits: Outputs of rows that the network was not trained on, (n, classes), n at least 1.
        labels: Their class ids, (n,).
        parts: The part of each row, (n,).
    """
    scaled = np.asarray(logits, np.float64).copy()
    for part, temperature in cross_fitted(logits, labels, parts).items():
        scaled[parts == part] /= temperature
    before, after = calibration_error_of(logits, labels), calibration_error_of(scaled, labels)
    helps = after < before and cross_entropy(scaled, labels) < cross_entropy(logits, labels)
    temperature = round(fit_temperature(logits, labels), 6) if helps else 1.0
    return Calibration(temperature, before, after, len(labels))


def cross_fitted(
    logits: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]], parts: NDArray[np.integer[Any]]
) -> dict[int, float]:
    """Return for each part of the rows the temperature that fits the rows of all other parts; see `calibrate`."""
    return {part: fit_temperature(logits[parts != part], labels[parts != part]) for part in np.unique(parts).tolist()}


def calibration_error_of(logits: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> float:
    """Return the expected calibration error of logits (n, classes) for labels (n,), 0..1."""
    return calibration_error(reliability(probabilities(logits).max(axis=1), logits.argmax(axis=1) == labels, BINS))


def fit_temperature(logits: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> float:
    """Return the temperature T > 0 for which softmax(logits / T) fits the labels best.

    T minimises the negative log-likelihood (Guo et al. 2017, arXiv:1706.04599) plus log(T)**2 / 2, a standard normal prior
    on log T. Beside a few hundred rows the prior weighs nothing. Where the likelihood alone says little or has no
    optimum (few rows, or all of them right, which would push T to 0), it keeps T near 1.

    Args:
        logits: Outputs of rows that the network was not trained on, (n, classes); n may be 0, which gives 1.
        labels: Their class ids, (n,).
    """
    if not len(labels):
        return 1.0

    def penalised_loss(log_t: float) -> float:
        return len(labels) * cross_entropy(logits / np.exp(log_t), labels) + log_t**2 / 2

    found = minimize_scalar(penalised_loss, bounds=(-LOG_BOUND, LOG_BOUND), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))
