from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from pipeline_lib.training.calibration import cross_entropy, fit_temperature


def test_cross_entropy_is_the_mean_of_minus_the_logarithms() -> None:
    logits = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    assert cross_entropy(logits, np.array([0, 1])) == pytest.approx((np.log(2) + np.log(10)) / 2)


@settings(deadline=None, max_examples=20)
@given(temperature=st.floats(0.3, 4.0), seed=st.integers(0, 1000))
def test_a_known_temperature_is_recovered(temperature: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    true_logits = random.normal(scale=2.0, size=(4000, 6))
    cumulated = softmax(true_logits, axis=1).cumsum(axis=1)
    labels = (random.random((4000, 1)) > cumulated).sum(axis=1).clip(max=5)
    assert fit_temperature(temperature * true_logits, labels) == pytest.approx(temperature, rel=0.1)


def test_without_rows_nothing_changes() -> None:
    assert fit_temperature(np.empty((0, 3)), np.empty(0, np.int64)) == 1.0


@pytest.mark.parametrize("rows", [1, 10, 200])
def test_rows_that_are_all_right_give_a_moderate_temperature(rows: int) -> None:
    logits = np.tile([4.0, 0.0, 0.0], (rows, 1))
    assert 0.2 < fit_temperature(logits, np.zeros(rows, np.int64)) < 1.0


@pytest.mark.parametrize("rows", [1, 10, 200])
def test_rows_that_are_all_wrong_lower_the_confidence_within_bounds(rows: int) -> None:
    logits = np.tile([4.0, 0.0, 0.0], (rows, 1))
    assert 1.0 < fit_temperature(logits, np.ones(rows, np.int64)) < 20.1


def test_huge_logits_stay_finite() -> None:
    logits = np.array([[1e4, 0.0], [0.0, 1e4]], np.float32)
    assert np.isfinite(fit_temperature(logits, np.array([0, 0])))
