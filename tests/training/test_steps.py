from __future__ import annotations

from typing import Any

import mindspore
import numpy as np
import pytest
from mindspore import Tensor
from numpy.typing import NDArray
from scipy.special import softmax

from pipeline_lib.models.mobilenetv2 import Classifier
from pipeline_lib.training.graph import graph_mode
from pipeline_lib.training.inference import Predictor
from pipeline_lib.training.steps import TrainStep, build_optimizer

WIDTH, CLASSES, SMOOTHING, DECAY = 7, 4, 0.1, 0.05
RATES = np.array([0.1, 0.05, 0.2, 0.01, 0.1], np.float32)

Parameters = list[NDArray[Any]]


def loss_and_gradients(parameters: Parameters, inputs: NDArray[Any], labels: NDArray[Any]) -> tuple[float, Parameters]:
    """The same in NumPy: mean cross-entropy with smoothed targets, its gradients, decay on the weight alone."""
    weight, bias = parameters
    logits = inputs @ weight.T + bias
    targets = np.full_like(logits, SMOOTHING / CLASSES)
    targets[np.arange(len(labels)), labels] += 1 - SMOOTHING
    probabilities = softmax(logits, axis=1)
    loss = -(targets * np.log(probabilities)).sum(axis=1).mean()
    error = (probabilities - targets) / len(labels)
    return float(loss), [error.T @ inputs + DECAY * weight, error.sum(axis=0)]


def momentum(parameters: Parameters, gradients: Parameters, state: list[Parameters], number: int) -> None:
    (velocities,) = state
    for parameter, gradient, velocity in zip(parameters, gradients, velocities, strict=True):
        velocity[:] = 0.9 * velocity + gradient
        parameter -= RATES[number] * velocity


def adam(parameters: Parameters, gradients: Parameters, state: list[Parameters], number: int) -> None:
    for parameter, gradient, first, second in zip(parameters, gradients, *state, strict=True):
        first[:] = 0.9 * first + 0.1 * gradient
        second[:] = 0.999 * second + 0.001 * gradient**2
        unbiased = first / (1 - 0.9 ** (number + 1)), second / (1 - 0.999 ** (number + 1))
        parameter -= RATES[number] * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)


@pytest.mark.parametrize(("name", "update", "moments"), [("momentum", momentum, 1), ("adam", adam, 2)])
def test_five_steps_agree_with_numpy(name: Any, update: Any, moments: int) -> None:
    random = np.random.default_rng(0)
    network = Classifier(WIDTH, CLASSES, seed=1)
    expected = [parameter.asnumpy().astype(np.float64) for parameter in network.trainable_params()]
    state = [[np.zeros_like(parameter) for parameter in expected] for _ in range(moments)]
    optimizer = build_optimizer(network, RATES, name=name, momentum=0.9, weight_decay=DECAY)
    step = TrainStep(network, optimizer, CLASSES, SMOOTHING).set_train()
    for number in range(len(RATES)):
        inputs = random.normal(size=(6, WIDTH)).astype(np.float32)
        labels = random.integers(0, CLASSES, 6).astype(np.int32)
        correct = ((inputs @ expected[0].T + expected[1]).argmax(axis=1) == labels).sum()
        expected_loss, gradients = loss_and_gradients(expected, inputs, labels)
        update(expected, gradients, state, number)
        with graph_mode():
            loss, hits = step(Tensor(inputs), Tensor(labels))
        assert float(loss) == pytest.approx(expected_loss, rel=1e-4)
        assert int(hits) == correct
        for parameter, value in zip(network.trainable_params(), expected, strict=True):
            np.testing.assert_allclose(parameter.asnumpy(), value, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 8, 19])
def test_logits_are_those_of_the_network_for_any_number_of_rows(rows: int) -> None:
    network = Classifier(WIDTH, CLASSES, hidden=5, seed=1)
    inputs = np.random.default_rng(0).normal(size=(rows, WIDTH)).astype(np.float32)
    first, last = network.hidden[0], network.output
    hidden = np.maximum(inputs @ first.weight.asnumpy().T + first.bias.asnumpy(), 0)
    expected = hidden @ last.weight.asnumpy().T + last.bias.asnumpy()
    logits = Predictor(network, batch=8).logits(inputs)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)


def test_graph_mode_ends_with_its_block() -> None:
    before = mindspore.get_context("mode")
    with pytest.raises(ZeroDivisionError), graph_mode():
        assert mindspore.get_context("mode") == mindspore.GRAPH_MODE
        raise ZeroDivisionError
    assert mindspore.get_context("mode") == before
