"""Which rows of the table train, and which judge: the last images of every class; near-duplicates are never parted.

A shuffled cut would put neighbours of one source on both sides and flatter the model, so the cut is contiguous in
file-name order. It does not depend on the seed: runs with different seeds are then judged by the same images, and what
the order decides, chance need not.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import PipelineError
from pipeline_lib.models.outputs import READ_ROWS
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
            near-duplicates of a validation image. They neither train nor judge: a picture
            that is there 17 times would count 17 times.
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


def validation_images(class_of: Mapping[str, str], groups: Mapping[str, Hashable], share: float) -> frozenset[str]:
    """Return the keys of the images that are held out, copies included.

    Groups go to one side whole. Those with more images than a class is to give up, and those that reach into another
    class, stay in training; the rest are cut in the order of their first image, the last ones held out. A class gives
    up at least one image if that leaves it another group to train on, and none otherwise.

    Args:
        class_of: The class of each training image by its key; keys sort as the file names do.
        groups: The group of near-duplicates of an image; others are groups of one.
        share: Share of each class to hold out, above 0 and below 1.

    Raises:
        PipelineError: No class can give up an image.
    """
    whole = _groups_of_classes(class_of, groups)
    images = Counter(class_of.values())
    held_out: set[str] = set()
    for name in sorted(images):
        others = images[name] - sum(len(group) for group in whole.get(name, []))
        held_out.update(_last(whole.get(name, []), max(1, round(share * images[name])), may_take_all=others > 0))
    if not held_out:
        raise PipelineError(
            "No training image can be held out for validation: each class is a single picture or near-duplicates of one; "
            "add images that differ"
        )
    return frozenset(held_out)


def folds(class_of: Mapping[str, str], groups: Mapping[str, Hashable], count: int) -> dict[str, int]:
    """Return the fold, 0..count-1, of each training image that one fold holds out; the others train in all of them.

    The groups of a class are dealt out in the order of their first image, neighbours to one fold. As in
    `validation_images`, groups stay whole, and those that reach into another class stay in training, as does the only group
    of a class: every fold leaves each class something to train on.

    Args:
        class_of: The class of each training image by its key; keys sort as the file names do.
        groups: The group of near-duplicates of an image; others are groups of one.
        count: Number of folds, at least 2.
    """
    images = Counter(class_of.values())
    fold_of: dict[str, int] = {}
    for name, members in _groups_of_classes(class_of, groups).items():
        if len(members) > 1 or len(members[0]) < images[name]:
            fold_of |= {image: place * count // len(members) for place, group in enumerate(members) for image in group}
    return fold_of


def _groups_of_classes(class_of: Mapping[str, str], groups: Mapping[str, Hashable]) -> dict[str, list[list[str]]]:
    """Return for each class the groups that lie within it, in the order of their first image."""
    whole: defaultdict[str, list[list[str]]] = defaultdict(list)
    for group in near_duplicates(class_of, groups):
        classes = {class_of[image] for image in group}
        if len(classes) == 1:
            whole[classes.pop()].append(group)
    return whole


def near_duplicates(images: Iterable[str], groups: Mapping[str, Hashable]) -> list[list[str]]:
    """Return the images by group, in the order of each group's first image; others are groups of one."""
    members: dict[Hashable, list[str]] = {}
    for image in sorted(images):
        identity = ("group", groups[image]) if image in groups else ("alone", image)
        members.setdefault(identity, []).append(image)
    return list(members.values())


def _last(groups: Sequence[list[str]], wanted: int, *, may_take_all: bool) -> list[str]:
    """Return the images of the last groups, as near to ``wanted`` as whole groups get; groups are in name order."""
    if len(groups) < 2 and not may_take_all:
        return []
    fitting = [group for group in groups if len(group) <= wanted] or sorted(groups, key=len)[:1]
    if len(fitting) == len(groups) and not may_take_all:
        fitting = fitting[1:]
    taken: list[str] = []
    for group in reversed(fitting):
        if taken and len(taken) + len(group) / 2 >= wanted:
            break
        taken += group
    return taken


def digest(features: FeatureTable) -> str:
    """Return a digest of everything in a table, in hexadecimal; memory holds one read at a time."""
    state = hashlib.sha256()
    for column in (features.images, features.labels, features.views):
        state.update("\n".join(map(str, column.tolist())).encode())
    for at in range(0, len(features), READ_ROWS):
        state.update(features.take(np.arange(at, min(at + READ_ROWS, len(features)))).data)
    return state.hexdigest()
