"""The first layer computes with rows as they are what it would with standardised ones that have their noise multiplied in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline_lib.models.classifier import Classifier
from pipeline_lib.models.inference import Predictor
from pipeline_lib.settings.sections import TrainingSettings
from pipeline_lib.training.dense import DenseStep
from pipeline_lib.training.inputs import FirstLayer, Standardisation, standardisation_of

Floats = NDArray[np.float32]

WIDTH, UNITS, ROWS = 7, 4, 12
few = settings(deadline=None, max_examples=30)
aware = pytest.mark.parametrize("noise_aware", [False, True])


def rows(random: np.random.Generator, noise_aware: bool) -> Floats:
    """Rows with features of very different means and deviations, and levels of noise behind them, some of which are 0."""
    features = random.normal(random.uniform(-3, 6, WIDTH), random.uniform(0.1, 3, WIDTH), (ROWS, WIDTH))
    levels = np.maximum(random.uniform(-1, 2, (ROWS, 1)), 0)
    return np.hstack([features, levels] if noise_aware else [features]).astype(np.float32)


def expanded(given: Floats, scaling: Standardisation, noise_aware: bool) -> Floats:
    """The same rows, standardised, with what is multiplied by the noise behind them."""
    z = (given[:, :WIDTH] - scaling.mean) / scaling.deviation
    return np.hstack([z, z * given[:, -1:], given[:, -1:]]) if noise_aware else z


def standardised(given: Floats) -> Standardisation:
    return standardisation_of(lambda numbers: given[numbers], np.arange(len(given)), WIDTH)


def test_the_standardisation_is_mean_and_deviation_of_the_rows_named() -> None:
    given = rows(np.random.default_rng(0), noise_aware=True)
    scaling = standardisation_of(lambda numbers: given[numbers], np.arange(5), WIDTH)
    np.testing.assert_allclose(scaling.mean, given[:5, :WIDTH].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(scaling.deviation, given[:5, :WIDTH].std(axis=0), rtol=1e-4)


def test_a_feature_that_never_varies_is_not_blown_up() -> None:
    given = np.ones((ROWS, WIDTH), np.float32)
    assert standardised(given).deviation.min() == pytest.approx(1e-3)


@few
@given(seed=st.integers(0, 999), noise_aware=st.booleans())
def test_outputs_and_gradient_are_those_of_standardised_rows(seed: int, noise_aware: bool) -> None:
    random = np.random.default_rng(seed)
    given = rows(random, noise_aware)
    scaling = standardised(given)
    inputs = expanded(given, scaling, noise_aware)
    weight = random.normal(size=(UNITS, inputs.shape[1])).astype(np.float32)
    bias, error = random.normal(size=UNITS).astype(np.float32), random.normal(size=(ROWS, UNITS)).astype(np.float32)
    layer, gradient = FirstLayer(scaling, noise_aware=noise_aware), np.empty_like(weight)
    layer.gradient(given, error, gradient)
    np.testing.assert_allclose(layer.outputs(given, weight, bias), inputs @ weight.T + bias, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(gradient, error.T @ inputs, rtol=1e-3, atol=1e-3)


@aware
@pytest.mark.parametrize("hidden", [0, 5])
def test_the_network_gives_for_rows_as_they_are_what_the_step_gives(noise_aware: bool, hidden: int) -> None:
    random = np.random.default_rng(3)
    given, labels = rows(random, noise_aware), random.integers(0, UNITS, ROWS).astype(np.int32)
    network = Classifier(WIDTH, UNITS, hidden, noise_aware=noise_aware, seed=1)
    step = DenseStep(network, np.full(20, 0.3, np.float32), TrainingSettings(), standardised(given))
    losses = [step(given, labels)[0] for _ in range(20)]
    step.assign(step.parameters())
    assert losses[-1] < losses[0]
    np.testing.assert_allclose(Predictor(network).outputs(given), step.logits(given), rtol=1e-4, atol=1e-4)


@aware
def test_a_step_on_rows_as_they_are_trains_as_one_on_standardised_rows(noise_aware: bool) -> None:
    random = np.random.default_rng(4)
    given, labels = rows(random, noise_aware), random.integers(0, UNITS, ROWS).astype(np.int32)
    scaling = standardised(given)
    inputs = expanded(given, scaling, noise_aware)
    rates = np.full(10, 0.1, np.float32)
    step = DenseStep(Classifier(WIDTH, UNITS, noise_aware=noise_aware, seed=1), rates, TrainingSettings(), scaling)
    plain = DenseStep(Classifier(inputs.shape[1], UNITS, seed=1), rates, TrainingSettings())
    for _ in range(10):
        assert step(given, labels) == pytest.approx(plain(inputs, labels), rel=1e-4)
    for name, values in plain.parameters().items():
        np.testing.assert_allclose(step.parameters()[name], values, rtol=1e-3, atol=1e-4)
