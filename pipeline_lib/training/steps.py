"""The training step and its optimiser, as MindSpore computes them."""

from __future__ import annotations

from typing import Literal

import mindspore
import numpy as np
from mindspore import Tensor, nn, ops
from numpy.typing import NDArray


def build_optimizer(
    network: nn.Cell,
    schedule: NDArray[np.float32],
    *,
    name: Literal["momentum", "adam"],
    momentum: float,
    weight_decay: float,
) -> nn.Optimizer:
    """Return an optimiser of a network's parameters that takes its learning rate from a schedule, a value a step.

    Momentum: v = momentum * v + g; w = w - lr * v. Adam (Kingma and Ba 2015, arXiv:1412.6980) with its authors' 0.9, 0.999
    and 1e-8. In both, decay is added to the gradient: g + weight_decay * w. Only weights decay; biases and other vectors
    don't, for they are few, can't overfit, and pulling them to 0 only adds bias (Goodfellow et al. 2016, Deep Learning,
    section 7.1; He et al. 2019, arXiv:1812.01187, section 3.1).
    """
    parameters = network.trainable_params()
    groups = [
        {"params": [parameter for parameter in parameters if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    rates = schedule.tolist()
    return nn.Adam(groups, rates) if name == "adam" else nn.Momentum(groups, rates, momentum)


class TrainStep(nn.Cell):
    """Forward pass, loss, gradients and update: one compiled graph under ``graph_mode``.

    The loss is the mean cross-entropy with targets (1 - s) * one_hot + s / classes, s being the label smoothing (Szegedy et
    al. 2016, arXiv:1512.00567, section 7).

    Attributes:
        network: The network that is trained.

    Args:
        network: Maps inputs (n, ...) to logits (n, classes).
        optimizer: Made for the network's parameters.
        classes: Number of classes.
        smoothing: Label smoothing, 0..1 without 1.
    """

    def __init__(self, network: nn.Cell, optimizer: nn.Optimizer, classes: int, smoothing: float) -> None:
        super().__init__()
        self.network = network
        self.optimizer = optimizer
        self._classes = classes
        self._on = Tensor(1.0 - smoothing + smoothing / classes, mindspore.float32)
        self._off = Tensor(smoothing / classes, mindspore.float32)
        self._cross_entropy = nn.SoftmaxCrossEntropyWithLogits(reduction="mean")
        self._gradients = ops.value_and_grad(self._loss, None, optimizer.parameters, has_aux=True)

    def _loss(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(inputs)
        return self._cross_entropy(logits, ops.one_hot(labels, self._classes, self._on, self._off)), logits

    def construct(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Update the network; return the loss and the number of correct rows, both from before the update."""
        (loss, logits), gradients = self._gradients(inputs, labels)
        loss = ops.depend(loss, self.optimizer(gradients))
        return loss, (logits.argmax(1) == labels).sum()
