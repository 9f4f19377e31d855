"""Folds of a cross-validation: no source is on both sides of one, and every fold has about the same share of each class."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from pipeline_lib.training.rows import FeatureTable, by_source

FOLDS = 5
"""Folds that a model's temperature is fitted on; their heads learn from four fifths of train."""


class Fold(NamedTuple):
    """One fold of a cross-validation, numbers of rows of a table, ascending.

    Attributes:
        train: All rows of the other folds.
        held_out: The rows to be predicted: those of this fold whose class the other folds have too.
    """

    train: NDArray[np.int64]
    held_out: NDArray[np.int64]


def cut_folds(features: FeatureTable, sources: Mapping[str, Hashable], count: int) -> tuple[Fold, ...]:
    """Return the folds of a table that have something to predict, at most ``count``.

    A row is predicted at most once, and never by what has seen its source. A class that lies in one fold altogether, such as
    one with a single source, is predicted nowhere: a model that was trained without it could not know it.

    Args:
        features: The rows; all views of an image are in one fold.
        sources: The source of an image by its key; others are sources of their own.
        count: Number of folds, at least 2. There are fewer where no class has so many images, or where there are fewer
            sources.
    """
    images, first, position = np.unique(features.images, return_index=True, return_inverse=True)
    fold_of = _fold_numbers(features.labels[first], _source_numbers(images.tolist(), sources), count)[position]
    folds = []
    for number in np.unique(fold_of):
        held_out, labels = fold_of == number, features.labels
        known = np.isin(labels, labels[~held_out])
        folds.append(Fold(np.flatnonzero(~held_out), np.flatnonzero(held_out & known)))
    return tuple(fold for fold in folds if len(fold.held_out))


def _source_numbers(images: Sequence[str], sources: Mapping[str, Hashable]) -> NDArray[np.int64]:
    """Return the source of each image as a number that depends on the keys of the images alone."""
    number_of = {image: number for number, members in enumerate(by_source(images, sources)) for image in members}
    return np.array([number_of[image] for image in images], np.int64)


def _fold_numbers(labels: NDArray[Any], sources: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the fold of each image (n,); one number for all where they cannot be parted."""
    fold_of = np.zeros(len(labels), np.int64)
    count = min(count, int(np.bincount(labels).max()), len(np.unique(sources)))
    if count < 2:
        return fold_of
    with warnings.catch_warnings():
        # It warns of classes with fewer images than there are folds; `Fold` says what becomes of those.
        warnings.simplefilter("ignore", UserWarning)
        for number, (_, held_out) in enumerate(StratifiedGroupKFold(count).split(labels, labels, sources)):
            fold_of[held_out] = number
    return fold_of
