"""The training step of a classifier of one or two dense layers, by its closed-form gradient in NumPy.

A step of such a network is two small matrix products a layer. As a compiled graph most of its time goes into calling the
graph, not into computing; here what it costs is the products.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray

from pipeline_lib.models.classifier import Classifier
from pipeline_lib.settings.sections import TrainingSettings
from pipeline_lib.training.checkpoints import Arrays
from pipeline_lib.training.inputs import FirstLayer, Standardisation, unstandardised

Floats = NDArray[np.float32]

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""Adam's constants, those of its authors."""


class DenseStep:
    """Forward pass, loss, gradients and update of a classifier, a ``Step``.

    It computes what ``NetworkStep`` computes on standardised rows, up to the rounding of float32. The error of the logits z of
    a row, that is the gradient of its loss, is softmax(z) - target; the gradient of a layer's weight is its outputs' error,
    transposed, times its inputs (Bishop 2006, Pattern Recognition and Machine Learning, sections 4.3.4 and 5.3).

    All parameters are in one vector, weights first, so the optimiser is a few operations on whole vectors, and weight
    decay one on its first part. The network has no part in it until ``assign``, which folds the standardisation into it.

    Attributes:
        network: The classifier that is trained.

    Args:
        network: Gives the first parameters.
        schedule: Learning rate of every step, float32 (steps,).
        settings: Optimiser, momentum, weight decay and label smoothing.
        standardisation: Of the features; None leaves them as they are.
    """

    def __init__(
        self,
        network: Classifier,
        schedule: Floats,
        settings: TrainingSettings,
        standardisation: Standardisation | None = None,
    ) -> None:
        self.network = network
        self._first_layer = FirstLayer(standardisation or unstandardised(network.width), noise_aware=network.noise_aware)
        self._schedule, self._settings = schedule, settings
        shapes = {name: parameter.shape for name, parameter in network.parameters_and_names()}
        shapes = dict(sorted(shapes.items(), key=lambda item: -len(item[1])))
        self._decaying = sum(math.prod(shape) for shape in shapes.values() if len(shape) > 1)
        self._values, self._gradient, self._scratch, self._first, self._second = np.zeros(
            (5, sum(map(math.prod, shapes.values()))), np.float32
        )
        self._number = 0
        self._parameters = _parts(self._values, shapes)
        self._names = [name.removesuffix(".weight") for name in shapes if name.endswith(".weight")]
        self._layers, self._gradients = (
            [(parts[f"{name}.weight"], parts[f"{name}.bias"]) for name in self._names]
            for parts in (self._parameters, _parts(self._gradient, shapes))
        )
        for name, parameter in network.parameters_and_names():
            self._parameters[name][:] = parameter.asnumpy()

    def __call__(self, inputs: Floats, labels: NDArray[np.int32]) -> tuple[float, int]:
        """Update the parameters by inputs (n, width) and labels (n,); see ``Step``."""
        *given, logits = self._forward(inputs)
        hits = int(np.count_nonzero(logits.argmax(axis=1) == labels))
        loss, error = _loss_and_error(logits, labels, self._settings.label_smoothing)
        self._backward(given, error)
        self._update()
        return loss, hits

    def logits(self, inputs: Floats) -> Floats:
        """Return the logits (n, classes) of inputs (n, width)."""
        return self._forward(inputs)[-1]

    def parameters(self) -> Arrays:
        """Return copies of the parameters under the network's names, as they are for standardised rows."""
        return {name: values.copy() for name, values in self._parameters.items()}

    def assign(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Set the parameters, here and, for rows that are not standardised, in the network."""
        for name, values in self._parameters.items():
            values[:] = parameters[name]
        first = self._names[0]
        weight, bias = self._first_layer.folded(*self._layers[0])
        folded = self._parameters | {f"{first}.weight": weight, f"{first}.bias": bias}
        for name, parameter in self.network.parameters_and_names():
            parameter.set_data(Tensor(folded[name]))

    def state(self) -> Arrays:
        """Return copies of all that the next step depends on."""
        state = {"values": self._values, "first": self._first, "second": self._second}
        return {name: values.copy() for name, values in state.items()} | {"number": np.array([self._number], np.int64)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set what ``state`` returned."""
        self._values[:], self._first[:], self._second[:] = state["values"], state["first"], state["second"]
        self._number = int(state["number"][0])

    def _forward(self, inputs: Floats) -> list[Floats]:
        """Return the inputs of every layer and, last, the logits."""
        outputs = [inputs, self._first_layer.outputs(inputs, *self._layers[0])]
        for weight, bias in self._layers[1:]:
            np.maximum(outputs[-1], 0, out=outputs[-1])
            outputs.append(outputs[-1] @ weight.T)
            outputs[-1] += bias
        return outputs

    def _backward(self, given: list[Floats], error: Floats) -> None:
        """Set the gradients from the inputs of every layer and the error of the logits."""
        for layer in reversed(range(len(given))):
            of_weight, of_bias = self._gradients[layer]
            error.sum(axis=0, out=of_bias)
            if layer == 0:
                self._first_layer.gradient(given[0], error, of_weight)
            else:
                np.matmul(error.T, given[layer], out=of_weight)
                error = error @ self._layers[layer][0]
                error *= given[layer] > 0

    def _update(self) -> None:
        rate = self._schedule[self._number]
        self._number += 1
        decaying = slice(self._decaying)
        if self._settings.weight_decay:
            np.multiply(self._values[decaying], np.float32(self._settings.weight_decay), out=self._scratch[decaying])
            self._gradient[decaying] += self._scratch[decaying]
        if self._settings.optimizer == "adam":
            self._adam(rate)
        else:
            self._momentum(rate)

    def _momentum(self, rate: np.float32) -> None:
        self._first *= np.float32(self._settings.momentum)
        self._first += self._gradient
        self._values -= np.multiply(self._first, rate, out=self._scratch)

    def _adam(self, rate: np.float32) -> None:
        """Update as Kingma and Ba do in the faster order of section 2, which is also MindSpore's."""
        gradient, scratch = self._gradient, self._scratch
        self._second += np.multiply(np.square(gradient, out=scratch) - self._second, np.float32(1 - BETA2), out=scratch)
        gradient -= self._first
        gradient *= np.float32(1 - BETA1)
        self._first += gradient
        unbiased = rate * math.sqrt(1 - BETA2**self._number) / (1 - BETA1**self._number)
        np.sqrt(self._second, out=scratch)
        scratch += np.float32(EPSILON)
        np.divide(self._first, scratch, out=scratch)
        scratch *= np.float32(unbiased)
        self._values -= scratch


def _loss_and_error(logits: Floats, labels: NDArray[np.int32], smoothing: float) -> tuple[float, Floats]:
    """Return the mean loss of logits (n, classes) and its gradient; the logits' memory is used up."""
    rows, (count, classes) = np.arange(len(labels)), logits.shape
    logits -= logits.max(axis=1, keepdims=True)
    error = np.exp(logits)
    sums = error.sum(axis=1, keepdims=True)
    aimed = (1 - smoothing) * float(logits[rows, labels].sum()) + smoothing / classes * float(logits.sum())
    loss = (float(np.log(sums).sum()) - aimed) / count
    error /= sums
    error -= np.float32(smoothing / classes)
    error[rows, labels] -= np.float32(1 - smoothing)
    error /= np.float32(count)
    return loss, error


def _parts(vector: Floats, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Floats]:
    """Return arrays of these shapes that share the memory of a vector, one behind the other."""
    ends = np.cumsum([math.prod(shape) for shape in shapes.values()])[:-1]
    return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), np.split(vector, ends), strict=True)}
