"""A network's outputs, and how well they fit: on validation rows after every epoch, on test rows at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from mindspore import Tensor, nn
from numpy.typing import NDArray
from scipy.special import log_softmax

from pipeline_lib.training.batches import READ_ROWS, Take
from pipeline_lib.training.graph import graph_mode


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


def cross_entropy(logits: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]], smoothing: float) -> NDArray[np.float64]:
    """Return each row's cross-entropy (n,) in nats, with label smoothing as in ``TrainStep``."""
    log_p = log_softmax(np.asarray(logits, np.float64), axis=1)
    true = log_p[np.arange(len(labels)), labels]
    loss: NDArray[np.float64] = -(1.0 - smoothing) * true - smoothing * log_p.mean(axis=1)
    return loss


@dataclass(frozen=True)
class Validation:
    """Rows that judge a network in training.

    Attributes:
        predictor: Computes the network's outputs.
        take: Reads the inputs of rows.
        rows: Numbers of the rows, (n,), at least one.
        labels: Their class ids, (n,).
        smoothing: Label smoothing, as in training, so that the two losses can be compared.
    """

    predictor: Predictor
    take: Take
    rows: NDArray[np.int64]
    labels: NDArray[np.int32]
    smoothing: float

    def logits(self) -> NDArray[np.float32]:
        """Return the logits (n, classes); memory holds the inputs of one read at a time."""
        return logits_of_rows(self.predictor, self.take, self.rows)

    def __call__(self) -> tuple[float, float]:
        """Return mean loss in nats and top-1, 0..1."""
        logits = self.logits()
        loss = cross_entropy(logits, self.labels, self.smoothing).mean()
        return float(loss), float((logits.argmax(axis=1) == self.labels).mean())


def logits_of_rows(predictor: Predictor, take: Take, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the logits (n, classes) of rows (n,), n at least 1; memory holds the inputs of one read at a time."""
    reads = [predictor.logits(take(rows[at : at + READ_ROWS])) for at in range(0, len(rows), READ_ROWS)]
    return np.concatenate(reads)
