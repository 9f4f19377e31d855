"""A network's outputs for the rows of a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from mindspore import Tensor, nn
from numpy.typing import NDArray

from pipeline_lib.models.graph import graph_mode

PASS = 256
"""Rows a pass, unless it is said otherwise."""


@dataclass(frozen=True)
class Predictor:
    """A network's outputs for any number of rows, computed in batches of one size.

    Attributes:
        network: Maps inputs (n, ...) to outputs (n, width), such as logits.
        batch: Rows a pass; the last pass is padded.
    """

    network: nn.Cell
    batch: int = PASS

    @graph_mode()
    def outputs(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the network's outputs, float32 (n, width), of inputs (n, ...), n at least 1."""
        was_training = self.network.training
        self.network.set_train(False)
        passes = [self._pass(inputs[at : at + self.batch]) for at in range(0, len(inputs), self.batch)]
        self.network.set_train(was_training)
        return np.concatenate(passes)

    def _pass(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        padding = [(0, self.batch - len(inputs))] + [(0, 0)] * (inputs.ndim - 1)
        outputs: NDArray[np.float32] = self.network(Tensor(np.pad(inputs, padding))).asnumpy()
        return outputs[: len(inputs)]
