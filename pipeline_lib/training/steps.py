"""The training step that MindSpore computes for any network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops
from numpy.typing import NDArray

from pipeline_lib.models.inference import PASS, Predictor
from pipeline_lib.models.parameters import parameters_of, set_parameters
from pipeline_lib.settings.sections import TrainingSettings
from pipeline_lib.training.checkpoints import Arrays

Factor = Callable[[str], float]
"""Maps a parameter's name, as seen from the network, to a factor on its learning rate, above 0."""


def build_optimizer(
    network: nn.Cell, schedule: NDArray[np.float32], settings: TrainingSettings, factor: Factor = lambda name: 1.0
) -> nn.Optimizer:
    """Return an optimiser of a network's parameters that takes its learning rate from a schedule, a value a step.

    Momentum: v = momentum * v + g; w = w - lr * v. Adam (Kingma and Ba 2015, arXiv:1412.6980) with its authors' 0.9, 0.999
    and 1e-8. In both, decay is added to the gradient: g + weight_decay * w. Only weights decay; biases and other vectors
    don't, for they are few, can't overfit, and pulling them to 0 only adds bias (Goodfellow et al. 2016, Deep Learning,
    section 7.1; He et al. 2019, arXiv:1812.01187, section 3.1).
    """
    alike: defaultdict[tuple[float, float], list[Parameter]] = defaultdict(list)
    for name, parameter in network.parameters_and_names():
        if parameter.requires_grad:
            alike[factor(name), settings.weight_decay if parameter.ndim > 1 else 0.0].append(parameter)
    groups = [
        {"params": parameters, "weight_decay": decay, "lr": (scale * schedule).tolist()}
        for (scale, decay), parameters in alike.items()
    ]
    rates = schedule.tolist()
    return nn.Adam(groups, rates) if settings.optimizer == "adam" else nn.Momentum(groups, rates, settings.momentum)


class GraphStep:
    """What a ``Step`` (see ``training.loop``) of a compiled graph is, but for the step itself.

    Args:
        network: What is trained; maps inputs (n, ...) to logits (n, classes).
        graph: Updates it.
        batch: Rows a pass when outputs are computed.
    """

    def __init__(self, network: nn.Cell, graph: Update, batch: int) -> None:
        self._network, self._graph = network, graph.set_train()
        self.logits = Predictor(network, batch).outputs

    def parameters(self) -> Arrays:
        """Return copies of the network's parameters."""
        return parameters_of(self._network)

    def assign(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Set the network's parameters."""
        set_parameters(self._network, parameters)

    def state(self) -> Arrays:
        """Return copies of the parameters of network and optimiser."""
        return parameters_of(self._graph)

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set what ``state`` returned."""
        set_parameters(self._graph, state)


class NetworkStep(GraphStep):
    """A ``Step`` (see ``training.loop``) of any network: one compiled graph under ``graph_mode``.

    What is done to small arrays is left to NumPy, which keeps the graph to what needs gradients: targets are looked up in a
    table, and correct rows counted from the logits.

    Args:
        network: Maps inputs (n, ...) to logits (n, classes). It must not draw random numbers itself: a resumed training
            would draw others (``Batches`` has a dropout that does not).
        schedule: Learning rate of every step, float32 (steps,).
        settings: Optimiser, momentum, weight decay and label smoothing.
        classes: Number of classes.
        factor: Of each parameter on the learning rate.
        to_start: Decay of all parameters towards what they are now, beside that of the settings (L2-SP, Li et al. 2018,
            arXiv:1802.01483).
        batch: Rows a pass when outputs are computed.
    """

    def __init__(
        self,
        network: nn.Cell,
        schedule: NDArray[np.float32],
        settings: TrainingSettings,
        *,
        classes: int,
        factor: Factor = lambda name: 1.0,
        to_start: float = 0.0,
        batch: int = PASS,
    ) -> None:
        loss = nn.SoftmaxCrossEntropyWithLogits(reduction="mean")
        optimizer = build_optimizer(network, schedule, settings, factor)
        super().__init__(network, Update(network, loss, optimizer, to_start), batch)
        smoothing = settings.label_smoothing
        self._targets = ((1.0 - smoothing) * np.eye(classes) + smoothing / classes).astype(np.float32)

    def __call__(self, inputs: NDArray[np.float32], labels: NDArray[np.int32]) -> tuple[float, int]:
        """Update the network by one batch; see ``Step``."""
        loss, logits = self._graph(Tensor.from_numpy(inputs), Tensor.from_numpy(self._targets[labels]))
        return float(loss.asnumpy()), int(np.count_nonzero(logits.asnumpy().argmax(axis=1) == labels))


class Update(nn.Cell):
    """Forward pass, loss, gradients and update.

    Args:
        network: Maps inputs (n, ...) to outputs (n, width).
        loss: Maps outputs and targets, (n, width) each, to a scalar.
        optimizer: Of the parameters that are updated.
        to_start: Decay of these towards what they are now, 0 for none.
    """

    def __init__(self, network: nn.Cell, loss: nn.Cell, optimizer: nn.Optimizer, to_start: float = 0.0) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.optimizer = optimizer
        self._gradients = ops.value_and_grad(self._loss, None, optimizer.parameters, has_aux=True)
        self._to_start, self._map = to_start, ops.HyperMap()
        starts = [Parameter(each.value(), f"start.{each.name}", requires_grad=False) for each in optimizer.parameters]
        self.starts = ParameterTuple(starts if to_start else [])

    def _loss(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.network(inputs)
        return self.loss(outputs, targets), outputs

    def construct(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Update the network; return the loss and the outputs, both from before the update."""
        (loss, outputs), gradients = self._gradients(inputs, targets)
        if self._to_start:
            pull = ops.partial(_with_pull, self._to_start)
            gradients = self._map(pull, gradients, self.optimizer.parameters, self.starts)
        return ops.depend(loss, self.optimizer(gradients)), outputs


def _with_pull(strength: float, gradient: Tensor, value: Tensor, start: Tensor) -> Tensor:
    """Return the gradient of a loss to which strength / 2 |value - start|^2 is added."""
    return gradient + strength * (value - start)
