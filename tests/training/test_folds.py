from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_training import MemoryTable

from pipeline_lib.training.folds import Fold, cut_folds
from pipeline_lib.training.rows import Subset, TooFewSourcesError, by_source, validation_images

NAMES = "abc"

few = settings(deadline=None, max_examples=25)
"""The cut takes a tenth of a second on busy cores."""


class Table(MemoryTable):
    """Rows of images with these classes, two views of each, in any order."""

    def __init__(self, class_of: dict[str, int]) -> None:
        keys = list(class_of)
        self.images = np.array([*keys, *reversed(keys)])
        self.labels = np.array([class_of[key] for key in self.images.tolist()])
        self.views = np.repeat(["clean", "aug1"], len(keys))
        self.width, self.noise_aware = 0, False


@st.composite
def datasets(draw: st.DrawFn) -> tuple[dict[str, int], dict[str, int]]:
    """The class of each image, up to 16 of a class, and the source of some, which may reach across classes and splits."""
    class_of: dict[str, int] = {}
    for label, name in enumerate(NAMES[: draw(st.integers(1, 3))]):
        split = draw(st.sampled_from(("train", "test")))
        class_of |= {f"{split}/{name}/{number:03}": label for number in range(draw(st.integers(1, 16)))}
    return class_of, {image: source for image in class_of if (source := draw(st.integers(0, 9))) < 6}


def images_of(table: Table, rows: np.ndarray) -> set[str]:
    return set(table.images[rows].tolist())


@few
@given(datasets(), st.integers(2, 6))
def test_no_source_is_on_both_sides_of_a_fold(data: tuple[dict[str, int], dict[str, int]], count: int) -> None:
    class_of, sources = data
    table = Table(class_of)
    for fold in cut_folds(table, sources, count):
        held_out, trained = images_of(table, fold.held_out), images_of(table, fold.train)
        for images in by_source(class_of, sources):
            assert not (held_out & set(images) and trained & set(images))


@few
@given(datasets(), st.integers(2, 6))
def test_every_view_is_predicted_once_unless_its_class_is_unknown_wherever_it_is_held_out(
    data: tuple[dict[str, int], dict[str, int]], count: int
) -> None:
    class_of, sources = data
    table = Table(class_of)
    folds = cut_folds(table, sources, count)
    assert len(folds) <= count
    times = np.zeros(len(table.labels), int)
    for fold in folds:
        times[fold.held_out] += 1
        assert set(table.labels[fold.held_out]) <= set(table.labels[fold.train])
    assert times.max() <= 1
    assert set(images_of(table, times == 1)).isdisjoint(images_of(table, times == 0))
    for label, name in enumerate(NAMES):
        within = [images for images in by_source(class_of, sources) if {class_of[image] for image in images} == {label}]
        if len(within) >= 2 * count and len(within) == sum(len(images) for images in within):
            assert times[table.labels == label].all(), f"class {name} has sources enough for every fold"


@few
@given(datasets(), st.randoms())
def test_the_order_of_the_rows_and_the_names_of_the_sources_decide_nothing(
    data: tuple[dict[str, int], dict[str, int]], chance: random.Random
) -> None:
    class_of, sources = data
    shuffled = list(class_of)
    chance.shuffle(shuffled)
    table, other = Table(class_of), Table({image: class_of[image] for image in shuffled})
    renamed = {image: 100 - source for image, source in sources.items()}

    def held_out(folds: tuple[Fold, ...], table: Table) -> list[set[str]]:
        return [images_of(table, fold.held_out) for fold in folds]

    assert held_out(cut_folds(table, sources, 5), table) == held_out(cut_folds(other, renamed, 5), other)


@few
@given(datasets())
def test_there_are_folds_wherever_something_can_be_held_out(data: tuple[dict[str, int], dict[str, int]]) -> None:
    class_of, sources = data
    try:
        validation_images({image: NAMES[label] for image, label in class_of.items()}, sources, 0.2)
    except TooFewSourcesError:
        return
    assert cut_folds(Table(class_of), sources, 5)


def test_every_fold_has_its_share_of_every_class() -> None:
    table = Table({f"train/{name}/{number:03}": label for label, name in enumerate("abc") for number in range(10)})
    for fold in cut_folds(table, {}, 5):
        assert np.bincount(table.labels[fold.held_out]).tolist() == [4, 4, 4]  # two images in two views


def test_a_class_with_a_single_source_is_predicted_nowhere() -> None:
    class_of = {f"train/a/{number}": 0 for number in range(4)} | {f"train/b/{number}": 1 for number in range(4)}
    table = Table(class_of)
    folds = cut_folds(table, dict.fromkeys([image for image, label in class_of.items() if label == 0], 7), 4)
    assert {label for fold in folds for label in table.labels[fold.held_out].tolist()} == {1}


@pytest.mark.parametrize("class_of", [{"train/a/1": 0}, {"train/a/1": 0, "train/b/1": 1}])
def test_classes_of_one_image_have_no_folds(class_of: dict[str, int]) -> None:
    assert cut_folds(Table(class_of), {}, 5) == ()


def test_a_subset_of_a_table_has_its_rows_and_no_others() -> None:
    whole, rows = MemoryTable(images=20), np.array([7, 3, 60])
    subset = Subset(whole, rows)
    assert (len(subset), subset.width) == (3, whole.width)
    for name in ("images", "labels", "views"):
        assert getattr(subset, name).tolist() == getattr(whole, name)[rows].tolist()
    assert subset.take(np.array([2, 0])).tolist() == whole.features[[60, 7]].tolist()
