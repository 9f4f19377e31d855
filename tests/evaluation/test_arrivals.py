"""New photographs beside old ones of their class: by source, whatever the mix of classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.evaluation.arrivals import Photographed, accuracy, unusual

RIGHT = np.array([0.9, 0.5])
"""True accuracy of two classes."""


def photographed(labels: np.ndarray, sources: np.ndarray, right: np.ndarray, new: np.ndarray) -> Photographed:
    images = [f"train/{label}/{number:04}" for number, label in enumerate(labels)]
    angle = np.linspace(0, 1, len(labels))
    return Photographed(images, labels, sources, np.stack([np.cos(angle), np.sin(angle)], axis=1), right, new)


def draw(rng: np.random.Generator, loss: float) -> Photographed:
    """Sources of one to four photographs that are right or wrong together; new ones mostly of the class that is hard."""
    sizes = rng.integers(1, 5, 200)
    new = np.arange(200) < 40
    labels = np.where(rng.random(200) < np.where(new, 0.8, 0.3), 1, 0)
    right = rng.random(200) < RIGHT[labels] - loss * new
    return photographed(*(np.repeat(each, sizes) for each in (labels, np.arange(200), right, new)))


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_the_interval_holds_the_true_difference_though_the_mix_of_classes_is_another(loss: float) -> None:
    rng = np.random.default_rng(1)
    found = [each for _ in range(300) if (each := accuracy(draw(rng, loss)))]
    assert sum(each.low <= -loss <= each.high for each in found) >= 0.92 * len(found)
    assert all(each.mixed < each.old for each in found)  # the class that comes more often is the harder one


def test_old_photographs_are_weighted_to_the_classes_of_the_new_ones() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 0, 1, 1, 1])
    right = np.array([1, 1, 1, 0, 1, 0, 1, 1, 1, 0], np.bool_)
    new = np.arange(10) >= 6
    found = accuracy(photographed(labels, np.arange(10), right, new))
    assert found
    assert (found.old, found.mixed, found.new) == pytest.approx((4 / 6, 0.25 * 0.75 + 0.75 * 0.5, 0.75))


def test_a_few_new_photographs_that_are_all_right_do_not_look_like_certainty() -> None:
    new = np.arange(30) >= 28
    found = accuracy(photographed(np.zeros(30, np.int64), np.arange(30), np.ones(30, np.bool_), new))
    assert found
    assert found.low < -0.3


@pytest.mark.parametrize("new", [np.zeros(4, np.bool_), np.ones(4, np.bool_), np.array([0, 0, 1, 1], np.bool_)])
def test_where_a_class_has_not_both_kinds_nothing_is_compared(new: np.ndarray) -> None:
    assert accuracy(photographed(np.array([0, 0, 1, 1]), np.arange(4), np.ones(4, np.bool_), new)) is None


@given(st.integers(2, 5), st.integers(0, 9))
def test_copies_of_photographs_add_no_source(copies: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, new, features = rng.integers(0, 3, 12), rng.random(12) < 0.5, rng.normal(size=(12, 4))
    once, often = (
        Photographed(
            [""] * 12 * count, *(np.repeat(each, count, axis=0) for each in (labels, np.arange(12), features, new, new))
        )
        for count in (1, copies)
    )
    assert once.by_source().features == pytest.approx(often.by_source().features)
    assert once.by_source().labels.tolist() == often.by_source().labels.tolist()
    assert once.by_source().new.tolist() == often.by_source().new.tolist()


def test_the_most_unusual_photograph_is_the_one_that_is_like_no_old_one_of_its_class() -> None:
    angle = np.array([0.0, 0.1, 0.2, 0.3, 1.0, 1.1, 0.15, 1.05])
    labels = np.array([0, 0, 0, 0, 1, 1, 0, 0])  # the last one lies among the other class
    features = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    images = [f"{number}" for number in range(8)]
    new = np.arange(8) >= 6
    first, second = unusual(Photographed(images, labels, np.arange(8), features, new, new))
    assert (first.row, first.farther, first.nearest) == (7, 0, 3)
    assert (second.row, second.farther) == (6, 1)
    assert (
        unusual(Photographed(images, new.astype(np.int64), np.arange(8), features, new, new)) == []
    )  # a class without old ones
