"""Temperature scaling: one number that makes probabilities match how often they are right."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

LOG_BOUND = 3.0
"""Largest absolute value of log T: temperatures from 0.05 to 20, far beyond those of usable networks."""


def cross_entropy(logits: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> float:
    """Return the mean cross-entropy in nats, the negative log-likelihood a row, of logits (n, classes) and labels (n,)."""
    log_p = log_softmax(np.asarray(logits, np.float64), axis=1)
    return float(-log_p[np.arange(len(labels)), labels].mean())


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
