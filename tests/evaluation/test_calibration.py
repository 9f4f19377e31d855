from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import softmax

from pipeline_lib.evaluation.calibration import calibrate, calibration_error_of, fit_temperature
from pipeline_lib.evaluation.reliability import cross_entropy


def test_cross_entropy_is_the_mean_of_minus_the_logarithms() -> None:
    logits = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    assert cross_entropy(logits, np.array([0, 1])) == pytest.approx((np.log(2) + np.log(10)) / 2)


def drawn(rows: int, temperature: float, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits that are the temperature times too large, and labels drawn as they should be believed."""
    random = np.random.default_rng(seed)
    true_logits = random.normal(scale=2.0, size=(rows, 6))
    cumulated = softmax(true_logits, axis=1).cumsum(axis=1)
    labels = (random.random((rows, 1)) > cumulated).sum(axis=1).clip(max=5)
    return temperature * true_logits, labels


@settings(deadline=None, max_examples=20)
@given(temperature=st.floats(0.3, 4.0), seed=st.integers(0, 1000))
def test_a_known_temperature_is_recovered(temperature: float, seed: int) -> None:
    assert fit_temperature(*drawn(4000, temperature, seed)) == pytest.approx(temperature, rel=0.1)


def test_scaling_that_helps_is_kept_with_the_errors_before_and_after() -> None:
    logits, labels = drawn(2000, 3.0)
    found = calibrate(logits, labels, np.arange(2000) % 5)
    assert found.temperature == pytest.approx(fit_temperature(logits, labels), abs=1e-5) == pytest.approx(3, rel=0.1)
    assert found.error_before == calibration_error_of(logits, labels)
    assert found.error_before > 0.2
    assert found.error_after == pytest.approx(calibration_error_of(logits / 3, labels), abs=0.02)
    assert found.rows == 2000


def test_scaling_that_does_not_help_on_rows_it_was_not_fitted_on_is_left_out() -> None:
    """Each part of the rows says of the others the opposite of what holds for itself."""
    logits = np.tile([2.0, 0.0], (40, 1))
    parts, labels = np.repeat([0, 1], 20), np.repeat([0, 1], 20)
    found = calibrate(logits, labels, parts)
    assert found.temperature == 1.0 != fit_temperature(logits, labels)
    assert found.error_after >= found.error_before


@pytest.mark.parametrize("seed", range(20))
def test_on_a_handful_of_rows_scaling_never_makes_the_held_out_error_larger(seed: int) -> None:
    logits, labels = drawn(12, 1.0, seed)
    found = calibrate(logits, labels, np.arange(12) % 5)
    assert found.temperature == 1.0 or found.error_after < found.error_before


@pytest.mark.parametrize("parts", [[0], [0, 0, 0]])
def test_rows_of_one_part_say_nothing_about_scaling(parts: list[int]) -> None:
    logits, labels = drawn(len(parts), 2.0)
    assert calibrate(logits, labels, np.array(parts)).temperature == 1.0


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
