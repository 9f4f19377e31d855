from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline_lib.training.batches import Batches, drop


def numbered(rows: int, size: int, seed: int = 0, dropout: float = 0.0) -> Batches:
    """Batches of rows whose inputs are their own numbers."""
    labels = np.arange(rows, dtype=np.int32)
    return Batches(
        lambda chosen: np.repeat(chosen[:, None], 3, axis=1).astype(np.float32), np.arange(rows), labels, size, seed, dropout
    )


@given(rows=st.integers(1, 3000), size=st.integers(1, 2000), epoch=st.integers(1, 100))
def test_an_epoch_holds_full_batches_of_different_rows_with_their_labels(rows: int, size: int, epoch: int) -> None:
    batches = numbered(rows, size)
    inputs, labels = zip(*batches(epoch), strict=True)
    size = min(size, rows)
    assert [len(batch) for batch in inputs] == [size] * batches.per_epoch
    assert batches.per_epoch == rows // size
    assert len(np.unique(np.concatenate(labels))) == size * batches.per_epoch
    assert np.array_equal(np.concatenate(inputs)[:, 0], np.concatenate(labels))


@given(counts=st.lists(st.integers(1, 6), min_size=1, max_size=60), size=st.integers(1, 20), epoch=st.integers(1, 9))
def test_an_epoch_has_one_view_of_an_image_where_views_are_drawn_anew(counts: list[int], size: int, epoch: int) -> None:
    images = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    batches = replace(numbered(len(images), size), images=images)
    drawn = [images[labels] for _, labels in batches(epoch)]
    assert batches.per_epoch == len(drawn) == max(1, len(counts) // size)
    assert len(np.unique(np.concatenate(drawn))) == batches.per_epoch * min(size, len(counts))


def test_over_the_epochs_all_views_of_an_image_are_drawn() -> None:
    batches = replace(numbered(12, 3), images=np.repeat(np.arange(3), 4))
    drawn = np.concatenate([labels for epoch in range(1, 401) for _, labels in batches(epoch)])
    assert np.bincount(drawn, minlength=12) == pytest.approx(np.full(12, 100), abs=40)


def test_an_epoch_asked_for_again_is_the_same_and_another_one_is_not() -> None:
    def inputs(seed: int, epoch: int) -> NDArray[Any]:
        return np.concatenate([inputs for inputs, _ in numbered(300, 32, seed, dropout=0.3)(epoch)])

    assert np.array_equal(inputs(5, 7), inputs(5, 7))
    assert not np.array_equal(inputs(5, 7), inputs(5, 8))
    assert not np.array_equal(inputs(5, 7), inputs(6, 7))


@pytest.mark.parametrize("share", [0.001, 0.1, 0.2, 0.5, 0.9, 0.995])
def test_dropout_sets_its_share_to_zero_and_keeps_the_mean(share: float) -> None:
    inputs = np.ones((2000, 1001), np.float32)  # no multiple of the eight values that share a random word
    drop(inputs, share, np.random.default_rng(1))
    # Four standard errors: that of the values, and that of the rows' thresholds, which are at most 1/256 apart.
    bound = 4 * (share * (1 - share) / inputs.size) ** 0.5 + 4 * 0.5 / 256 / len(inputs) ** 0.5
    assert np.mean(inputs == 0) == pytest.approx(share, abs=bound)
    assert np.unique(inputs[inputs > 0]) == pytest.approx([1 / (1 - share)])


def test_values_are_dropped_independently_of_their_neighbours_in_row_and_column() -> None:
    inputs = np.ones((2000, 1000), np.float32)
    drop(inputs, 0.2, np.random.default_rng(1))
    dropped = inputs == 0
    for pairs in (dropped[1:] & dropped[:-1], dropped[:, 1:] & dropped[:, :-1]):
        assert np.mean(pairs) == pytest.approx(0.04, abs=0.001)


@pytest.mark.parametrize("share", [0.0, 0.999])
def test_the_ends_of_dropout_leave_all_values_or_few(share: float) -> None:
    inputs = np.ones((200, 1000), np.float32)
    drop(inputs, share, np.random.default_rng(1))
    assert np.mean(inputs != 0) == pytest.approx(max(1 - share, 1 / 256), rel=0.05)


def test_dropout_leaves_the_table_alone() -> None:
    table = np.ones((64, 3), np.float32)
    batches = Batches(lambda rows: table[rows], np.arange(64), np.zeros(64, np.int32), 16, 1, dropout=0.5)
    list(batches(1))
    assert np.all(table == 1)
