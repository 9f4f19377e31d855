"""Answering the surest alone: shares, accuracies and thresholds are those that counting gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.evaluation.coverage import coverage

ROWS = st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.5, 0.55, 0.9, 1.0]), st.booleans()), min_size=1, max_size=40)


@given(rows=ROWS, threshold=st.floats(0, 1))
def test_what_is_answered_from_a_threshold_on_is_what_is_at_least_that_sure(
    rows: list[tuple[float, bool]], threshold: float
) -> None:
    sure, right = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    share, accuracy = coverage(sure, right).at(threshold)
    answered = sure >= threshold
    assert share == pytest.approx(answered.mean())
    assert accuracy == pytest.approx(right[answered].mean() if answered.any() else np.nan, nan_ok=True)


@given(rows=ROWS, accuracy=st.sampled_from([0.5, 0.95, 1.0]))
def test_the_largest_share_that_is_right_often_enough(rows: list[tuple[float, bool]], accuracy: float) -> None:
    sure, right = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    curve = coverage(sure, right)
    possible = [(sure >= each).mean() for each in set(sure.tolist()) if right[sure >= each].mean() >= accuracy]
    share, threshold = curve.reaching(accuracy)
    assert share == pytest.approx(max(possible, default=0))
    assert not share or curve.at(threshold)[0] == share
    assert curve.shares[-1] == 1
    assert curve.accuracies[-1] == pytest.approx(right.mean())
