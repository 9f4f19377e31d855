"""A network's outputs, and how well they fit: on validation rows after every epoch, on test rows at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mindspore import Tensor, nn
from numpy.typing import NDArray

from pipeline_lib.training.batches import Take
from pipeline_lib.training.calibration import cross_entropy
from pipeline_lib.training.graph import graph_mode

Logits = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Maps inputs (n, ...), n at least 1, to logits (n, classes), float32."""

READ_ROWS = 1024
"""Rows read at once: enough for passes of full batches, few enough to stay in the cache."""


@dataclass(frozen=True)
class Predictor:
    """A network's outputs for any number of rows, computed in batches of one size.

    Attributes:
        network: Maps inputs (n, ...) to logits (n, classes).
        batch: Rows a pass; the last pass is padded.
    """

    network: nn.Cell
    batch: int = 256

    @graph_mode()
    def logits(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits (n, classes), float32, of inputs (n, ...), n at least 1."""
        was_training = self.network.training
        self.network.set_train(False)
        passes = [self._pass(inputs[at : at + self.batch]) for at in range(0, len(inputs), self.batch)]
        self.network.set_train(was_training)
        return np.concatenate(passes)

    def _pass(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        padding = [(0, self.batch - len(inputs))] + [(0, 0)] * (inputs.ndim - 1)
        outputs: NDArray[np.float32] = self.network(Tensor(np.pad(inputs, padding))).asnumpy()
        return outputs[: len(inputs)]


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


def logits_of_rows(logits_of: Logits, take: Take, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the logits (n, classes) of rows (n,), n at least 1; memory holds the inputs of one read at a time."""
    reads = [logits_of(take(rows[at : at + READ_ROWS])) for at in range(0, len(rows), READ_ROWS)]
    return np.concatenate(reads)
