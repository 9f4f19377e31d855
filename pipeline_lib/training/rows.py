"""Which rows of the feature table train the head, and which judge it."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.models.inference import READ_ROWS
from pipeline_lib.training.holdout import folds, near_duplicates, validation_images
from pipeline_lib.views.view import CLEAN

FOLDS = 5
"""Folds of the cross-validation that the temperature is fitted on; their heads learn from four fifths of train."""

Part = Literal["train", "validation", "copy"]


class FeatureTable(Protocol):
    """Rows of pooled features, read when asked for.

    Attributes:
        images: Key of each row's image, ``train/<class>/<name>``, (n,) str; the views of an image share it.
        labels: Class ids, (n,) int.
        views: Name of each row's view, (n,) str.
        width: Features a row.
    """

    images: NDArray[Any]
    labels: NDArray[Any]
    views: NDArray[Any]
    width: int

    def __len__(self) -> int: ...

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return a fresh array (len(indices), width) of the features of these rows, in this order."""
        ...


class Fold(NamedTuple):
    """One fold of a cross-validation.

    Attributes:
        train: Numbers of the rows to train on, ascending.
        judged: Numbers of the rows that are predicted: the clean view of each picture that is held out, ascending.
    """

    train: NDArray[np.int64]
    judged: NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """The rows in use, by what they are for; all views of an image are in one part.

    Attributes:
        train: Numbers of the rows to train on, ascending.
        validation: Numbers of the rows that judge, ascending.
        in_use: Numbers of all rows, copies included, ascending.
        part_of: The part of each image by its key, in the order of the keys: ``train``, ``validation``, or ``copy`` for
            near-duplicates of a validation image. They neither train nor judge: what stands there 17 times would count for 17.
        folds: The rows in use cut another way, so that nearly all of them are held out once; copies neither train nor judge.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    in_use: NDArray[np.int64]
    part_of: dict[str, Part]
    folds: tuple[Fold, ...]


def split_rows(
    features: FeatureTable,
    classes: Sequence[str],
    groups: Mapping[str, Hashable],
    *,
    views: Literal["all", "clean"],
    val_share: float,
) -> Rows:
    """Return the rows to train and to validate on.

    Args:
        features: All rows of the train split.
        classes: Names of the classes by label.
        groups: Near-duplicates by image key, see ``validation_images``.
        views: Which views are in use, on both sides.
        val_share: Share of each class's images to hold out.

    Raises:
        PipelineError: No image can be held out.
    """
    class_of = {str(image): classes[label] for image, label in zip(features.images, features.labels, strict=True)}
    part_of: dict[str, Part] = dict.fromkeys(sorted(class_of), "train")
    held_out = validation_images(class_of, groups, val_share)
    for first, *copies in near_duplicates(held_out, groups):
        part_of[first] = "validation"
        part_of.update((copy, "copy") for copy in copies)
    in_use = (features.views == CLEAN.name) if views == "clean" else np.ones(len(features), np.bool_)
    parts = np.array([part_of[str(image)] for image in features.images])
    train, validation = (np.flatnonzero(in_use & (parts == part)) for part in ("train", "validation"))
    return Rows(train, validation, np.flatnonzero(in_use), part_of, _folds(features, class_of, groups, in_use))


def _folds(
    features: FeatureTable, class_of: Mapping[str, str], groups: Mapping[str, Hashable], in_use: NDArray[np.bool_]
) -> tuple[Fold, ...]:
    """Return the folds that hold out anything."""
    fold_of = folds(class_of, groups, FOLDS)
    firsts = [group[0] for group in near_duplicates(fold_of, groups)]
    judging = (features.views == CLEAN.name) & np.isin(features.images, firsts)
    number = np.array([fold_of.get(str(image), -1) for image in features.images])
    return tuple(
        Fold(np.flatnonzero(in_use & (number != fold)), np.flatnonzero(judging & (number == fold)))
        for fold in sorted(set(fold_of.values()))
    )


def digest(features: FeatureTable) -> str:
    """Return a digest of everything in a table, in hexadecimal; memory holds one read at a time."""
    state = hashlib.sha256()
    for column in (features.images, features.labels, features.views):
        state.update("\n".join(map(str, column.tolist())).encode())
    for at in range(0, len(features), READ_ROWS):
        state.update(features.take(np.arange(at, min(at + READ_ROWS, len(features)))).data)
    return state.hexdigest()
