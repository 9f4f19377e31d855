"""The search for pictures that are worth comparing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.audit.neighbours import neighbour_pairs


def vectors(count: int, width: int = 16) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(count, width)).astype(np.float32)


def test_almost_all_true_neighbours_are_found_and_few_others():
    table = vectors(2000)
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    nearest = np.argsort(-(unit @ unit.T), axis=1)[:, 1:6]
    wanted = {tuple(sorted((row, other))) for row, others in enumerate(nearest.tolist()) for other in others}
    found = set(map(tuple, neighbour_pairs(table, 5).tolist()))
    assert len(wanted & found) >= 0.99 * len(wanted)
    assert len(found - wanted) <= 0.01 * len(wanted)


@settings(deadline=None, max_examples=25)
@given(count=st.integers(0, 40), neighbours=st.integers(1, 50))
def test_pairs_are_of_two_pictures_in_order_and_each_is_there_once(count, neighbours):
    pairs = neighbour_pairs(vectors(max(count, 1))[:count], neighbours)
    assert pairs.shape[1] == 2
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert (np.unique(pairs, axis=0) == pairs).all()
    assert set(np.unique(pairs).tolist()) == (set(range(count)) if count > 1 else set())


def test_equal_features_give_equal_pairs():
    assert (neighbour_pairs(vectors(300), 7) == neighbour_pairs(vectors(300), 7)).all()


@pytest.mark.parametrize("count", [1, 5])
def test_features_of_zeros_have_neighbours_too(count):
    assert len(neighbour_pairs(np.zeros((count, 8), np.float32), 3)) >= count - 1
