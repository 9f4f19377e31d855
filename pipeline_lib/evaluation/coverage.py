"""How often answers are right if those that are not sure are left to a person: accuracy over the share that is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Coverage:
    """What answering the surest alone comes to, one entry for each threshold that tells photographs apart, the highest first.

    Attributes:
        thresholds: Least probability of what is answered, 0..1, descending.
        shares: Share of the photographs that is answered, above 0..1, ascending to 1.
        accuracies: Share of those answered that is right, 0..1.
    """

    thresholds: NDArray[np.float64]
    shares: NDArray[np.float64]
    accuracies: NDArray[np.float64]

    def at(self, threshold: float) -> tuple[float, float]:
        """Return the share that is answered with at least this probability and how much of it is right; (0, nan) for none."""
        count = int((self.thresholds >= threshold).sum())
        return (float(self.shares[count - 1]), float(self.accuracies[count - 1])) if count else (0.0, float("nan"))

    def reaching(self, accuracy: float) -> tuple[float, float]:
        """Return the largest share that is right that often, and its threshold; (0, nan) if there is none."""
        (enough,) = np.nonzero(self.accuracies >= accuracy)
        return (float(self.shares[enough[-1]]), float(self.thresholds[enough[-1]])) if len(enough) else (0.0, float("nan"))


def coverage(confidence: NDArray[np.floating[Any]], right: NDArray[np.bool_]) -> Coverage:
    """Return how accuracy depends on the share that is answered (El-Yaniv and Wiener 2010, selective classification).

    Args:
        confidence: Probability of the likeliest class, (n,), n at least 1.
        right: Whether that class is the true one, (n,).
    """
    order = np.argsort(-confidence, kind="stable")
    sure, hits = np.asarray(confidence, np.float64)[order], np.cumsum(right[order])
    ends = np.flatnonzero(np.append(sure[1:] != sure[:-1], True))  # photographs of one probability are answered together
    return Coverage(sure[ends], (ends + 1) / len(sure), hits[ends] / (ends + 1))
