"""How well a network in training does on rows that it is not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.models.inference import Logits, Take, logits_of_rows
from pipeline_lib.training.calibration import cross_entropy


@dataclass(frozen=True)
class Validation:
    """Rows that judge a network in training.

    They judge without what only helps training, label smoothing and dropout, as test rows will.

    Attributes:
        logits_of: Computes the network's outputs.
        take: Reads the inputs of rows.
        rows: Numbers of the rows, (n,), at least one.
        labels: Their class ids, (n,).
    """

    logits_of: Logits
    take: Take
    rows: NDArray[np.int64]
    labels: NDArray[np.int32]

    def logits(self) -> NDArray[np.float32]:
        """Return the logits (n, classes); memory holds the inputs of one read at a time."""
        return logits_of_rows(self.logits_of, self.take, self.rows)

    def __call__(self) -> tuple[float, float]:
        """Return mean cross-entropy in nats and top-1, 0..1."""
        logits = self.logits()
        return cross_entropy(logits, self.labels), float((logits.argmax(axis=1) == self.labels).mean())
