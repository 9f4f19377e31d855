from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline_lib.training.batches import READ_ROWS, Batches, drop


def numbered(rows: int, size: int, seed: int = 0, dropout: float = 0.0) -> Batches:
    """Batches of rows whose inputs are their own numbers."""
    labels = np.arange(rows, dtype=np.int32)
    return Batches(
        lambda chosen: np.repeat(chosen[:, None], 3, axis=1).astype(np.float32), np.arange(rows), labels, size, seed, dropout
    )


@given(rows=st.integers(1, 3 * READ_ROWS), size=st.integers(1, 2 * READ_ROWS), epoch=st.integers(1, 100))
def test_an_epoch_holds_full_batches_of_different_rows_with_their_labels(rows: int, size: int, epoch: int) -> None:
    batches = numbered(rows, size)
    inputs, labels = zip(*batches(epoch), strict=True)
    size = min(size, rows)
    assert [len(batch) for batch in inputs] == [size] * batches.per_epoch
    assert batches.per_epoch == rows // size
    assert len(np.unique(np.concatenate(labels))) == size * batches.per_epoch
    assert np.array_equal(np.concatenate(inputs)[:, 0], np.concatenate(labels))


def test_an_epoch_asked_for_again_is_the_same_and_another_one_is_not() -> None:
    def inputs(seed: int, epoch: int) -> NDArray[Any]:
        return np.concatenate([inputs for inputs, _ in numbered(300, 32, seed, dropout=0.3)(epoch)])

    assert np.array_equal(inputs(5, 7), inputs(5, 7))
    assert not np.array_equal(inputs(5, 7), inputs(5, 8))
    assert not np.array_equal(inputs(5, 7), inputs(6, 7))


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5, 0.9])
def test_dropout_sets_its_share_to_zero_and_keeps_the_mean(share: float) -> None:
    inputs = np.ones((500, 1000), np.float32)
    drop(inputs, share, np.random.default_rng(1))
    assert np.mean(inputs == 0) == pytest.approx(share, abs=0.003)
    assert np.unique(inputs[inputs > 0]) == pytest.approx([1 / (1 - share)])


def test_dropout_leaves_the_table_alone() -> None:
    table = np.ones((64, 3), np.float32)
    batches = Batches(lambda rows: table[rows], np.arange(64), np.zeros(64, np.int32), 16, 1, dropout=0.5)
    list(batches(1))
    assert np.all(table == 1)
