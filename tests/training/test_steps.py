from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import mindspore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import softmax

from pipeline_lib.models.classifier import Classifier
from pipeline_lib.models.graph import graph_mode
from pipeline_lib.models.inference import Predictor
from pipeline_lib.settings.sections import TrainingSettings
from pipeline_lib.training.dense import DenseStep
from pipeline_lib.training.loop import Step
from pipeline_lib.training.steps import NetworkStep

WIDTH, CLASSES, SMOOTHING, DECAY = 7, 4, 0.1, 0.05
RATES = np.array([0.1, 0.05, 0.2, 0.01, 0.1], np.float32)

Optimizer = Literal["momentum", "adam"]
Parameters = list[NDArray[Any]]
Make = Callable[[Classifier, TrainingSettings, int], Step]


def rates(settings: TrainingSettings) -> NDArray[np.float32]:
    """Adam's are small, as in use: it divides by the gradient's size, and so makes a whole step of a zero's rounding."""
    return RATES / 100 if settings.optimizer == "adam" else RATES


def by_mindspore(network: Classifier, settings: TrainingSettings, classes: int) -> Step:
    return NetworkStep(network, rates(settings), settings, classes=classes)


def in_closed_form(network: Classifier, settings: TrainingSettings, classes: int) -> Step:
    return DenseStep(network, rates(settings), settings)


def batch(random: np.random.Generator, rows: int = 6, classes: int = CLASSES) -> tuple[NDArray[Any], NDArray[Any]]:
    return random.normal(size=(rows, WIDTH)).astype(np.float32), random.integers(0, classes, rows).astype(np.int32)


def loss_and_gradients(parameters: Parameters, inputs: NDArray[Any], labels: NDArray[Any]) -> tuple[float, Parameters]:
    """The same in float64: mean cross-entropy with smoothed targets, its gradients, decay on the weight alone."""
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
        parameter -= RATES[number] / 100 * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)


@pytest.mark.parametrize("make", [by_mindspore, in_closed_form])
@pytest.mark.parametrize(("name", "update", "moments"), [("momentum", momentum, 1), ("adam", adam, 2)])
def test_five_steps_agree_with_their_formulas(make: Make, name: Any, update: Any, moments: int) -> None:
    random = np.random.default_rng(0)
    network = Classifier(WIDTH, CLASSES, seed=1)
    expected = [parameter.asnumpy().astype(np.float64) for parameter in network.trainable_params()]
    state = [[np.zeros_like(parameter) for parameter in expected] for _ in range(moments)]
    step = make(network, TrainingSettings(optimizer=name, weight_decay=DECAY, label_smoothing=SMOOTHING), CLASSES)
    for number in range(len(RATES)):
        inputs, labels = batch(random)
        correct = ((inputs @ expected[0].T + expected[1]).argmax(axis=1) == labels).sum()
        expected_loss, gradients = loss_and_gradients(expected, inputs, labels)
        update(expected, gradients, state, number)
        with graph_mode():
            loss, hits = step(inputs, labels)
        assert loss == pytest.approx(expected_loss, rel=1e-4)
        assert hits == correct
        for parameter, value in zip(step.parameters().values(), expected, strict=True):
            np.testing.assert_allclose(parameter, value, rtol=1e-3, atol=1e-5)


@effort(deadline=None, max_examples=25)  # an example compiles a graph
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 70),
    classes=st.integers(2, 30),
    hidden=st.sampled_from([0, 1, 5, 16]),
    smoothing=st.floats(0, 0.9),
    decay=st.sampled_from([0.0, 1e-4, 0.1]),
    inertia=st.floats(0, 0.99),
    optimizer=st.sampled_from(["momentum", "adam"]),
)
def test_the_closed_form_trains_as_mindspore_does_up_to_rounding(
    seed: int, rows: int, classes: int, hidden: int, smoothing: float, decay: float, inertia: float, optimizer: Optimizer
) -> None:
    settings = TrainingSettings(
        optimizer=optimizer, momentum=inertia, weight_decay=decay, label_smoothing=smoothing, lr_max=0.1
    )
    ours, theirs = (
        make(Classifier(WIDTH, classes, hidden, seed=seed), settings, classes) for make in (in_closed_form, by_mindspore)
    )
    random = np.random.default_rng(seed)
    for _ in range(len(RATES)):
        inputs, labels = batch(random, rows, classes)
        loss, _ = ours(inputs, labels)
        with graph_mode():
            expected_loss, _ = theirs(inputs, labels)
        assert loss == pytest.approx(expected_loss, rel=1e-4)
    expected = theirs.parameters()
    for name, values in ours.parameters().items():
        np.testing.assert_allclose(
            values, expected[name], rtol=1e-5, atol=1e-6 if optimizer == "momentum" else 1e-4, err_msg=name
        )


@pytest.mark.parametrize("make", [by_mindspore, in_closed_form])
@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_a_step_goes_on_from_a_state_bit_for_bit(make: Make, name: Optimizer) -> None:
    random = np.random.default_rng(0)
    batches = [batch(random) for _ in RATES]
    settings = TrainingSettings(optimizer=name)
    whole, first, second = (make(Classifier(WIDTH, CLASSES, 5, seed=seed), settings, CLASSES) for seed in (1, 1, 2))
    with graph_mode():
        for each in batches:
            whole(*each)
        for each in batches[:2]:
            first(*each)
        state = first.state()
        first(*batches[2])  # a state does not change afterwards
        second.restore(state)
        for each in batches[2:]:
            second(*each)
    for name_, values in whole.parameters().items():
        assert np.array_equal(values, second.parameters()[name_])


@pytest.mark.parametrize("make", [by_mindspore, in_closed_form])
@pytest.mark.parametrize("hidden", [0, 5])
def test_a_step_and_its_network_have_the_parameters_that_were_assigned(make: Make, hidden: int) -> None:
    network, other = (Classifier(WIDTH, CLASSES, hidden, seed=seed) for seed in (1, 2))
    step = make(network, TrainingSettings(), CLASSES)
    inputs, labels = batch(np.random.default_rng(0))
    with graph_mode():
        step(inputs, labels)
    step.assign({name: parameter.asnumpy() for name, parameter in other.parameters_and_names()})
    expected = Predictor(other).outputs(inputs)
    np.testing.assert_allclose(step.logits(inputs), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(Predictor(network).outputs(inputs), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("rows", [1, 8, 19])
def test_logits_are_those_of_the_network_for_any_number_of_rows(rows: int) -> None:
    network = Classifier(WIDTH, CLASSES, hidden=5, seed=1)
    inputs = np.random.default_rng(0).normal(size=(rows, WIDTH)).astype(np.float32)
    first, last = network.hidden[0], network.output
    hidden = np.maximum(inputs @ first.weight.asnumpy().T + first.bias.asnumpy(), 0)
    expected = hidden @ last.weight.asnumpy().T + last.bias.asnumpy()
    logits = Predictor(network, batch=8).outputs(inputs)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)


def test_graph_mode_ends_with_its_block() -> None:
    before = mindspore.get_context("mode")
    with pytest.raises(ZeroDivisionError), graph_mode():
        assert mindspore.get_context("mode") == mindspore.GRAPH_MODE
        raise ZeroDivisionError
    assert mindspore.get_context("mode") == before


@graph_mode()
def test_a_factor_scales_the_rate_of_its_parameters_and_the_pull_leads_back_to_the_start() -> None:
    settings = TrainingSettings(weight_decay=0.0, label_smoothing=0.0, momentum=0.0)
    schedule = np.full(3, 0.1, np.float32)
    inputs, labels = batch(np.random.default_rng(0))

    def moved(steps: int, **options: Any) -> dict[str, NDArray[Any]]:
        network = Classifier(WIDTH, CLASSES, seed=1)
        start = {name: parameter.asnumpy().copy() for name, parameter in network.parameters_and_names()}
        step = NetworkStep(network, schedule, settings, classes=CLASSES, **options)
        for _ in range(steps):
            step(inputs, labels)
        return {name: value - start[name] for name, value in step.parameters().items()}

    plain, scaled = moved(1), moved(1, factor=lambda name: 0.25 if name.endswith("weight") else 1.0)
    np.testing.assert_allclose(scaled["output.weight"], 0.25 * plain["output.weight"], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(scaled["output.bias"], plain["output.bias"], rtol=1e-5)

    # With a rate of 0.1, a strength of 10 puts each parameter back to where it was before the step: only the last one is left.
    pulled = moved(3, to_start=10.0)
    assert all(np.abs(pulled[name]).max() < 1.1 * np.abs(plain[name]).max() for name in plain)
    assert np.abs(moved(3)["output.weight"]).max() > 2 * np.abs(plain["output.weight"]).max()
