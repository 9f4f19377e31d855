"""Which rows of the table train, and which judge: the last images of every class; a source is never parted.

A shuffled cut would put neighbours on both sides and flatter the model, so the cut is contiguous in file-name order. It
does not depend on the seed: runs with different seeds are then judged by the same images, and what the order decides,
chance need not.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import PipelineError
from pipeline_lib.models.outputs import reads
from pipeline_lib.views.view import CLEAN

Part = Literal["train", "validation", "copy"]


class TooFewSourcesError(PipelineError):
    """No image can be held out: to learn a class and to be judged on it takes two sources."""


class FeatureTable(Protocol):
    """Rows of pooled features, read when asked for.

    Attributes:
        images: Key of each row's image, ``train/<class>/<name>``, (n,) str; the views of an image share it.
        labels: Class ids, (n,) int.
        views: Name of each row's view, (n,) str.
        width: Features a row.
        noise_aware: Whether the level of noise is behind them.
    """

    images: NDArray[Any]
    labels: NDArray[Any]
    views: NDArray[Any]
    width: int
    noise_aware: bool

    def __len__(self) -> int: ...

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return a fresh array (len(indices), width) of the features of these rows, in this order.

        Rows have the level of noise as one more column where the table is noise-aware.
        """
        ...


class Subset:
    """Some rows of a table as a table of their own: what trains on it cannot see the others. See ``FeatureTable``.

    Args:
        table: The whole table.
        rows: Numbers of its rows, (n,), distinct.
    """

    def __init__(self, table: FeatureTable, rows: NDArray[np.int64]) -> None:
        self._table, self._rows = table, rows
        self.images, self.labels, self.views = (column[rows] for column in (table.images, table.labels, table.views))
        self.width, self.noise_aware = table.width, table.noise_aware

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """See ``FeatureTable``."""
        return self._table.take(self._rows[indices])


@dataclass(frozen=True)
class Rows:
    """The rows in use, by what they are for; all views of an image are in one part.

    Attributes:
        train: Numbers of the rows to train on, ascending.
        validation: Numbers of the rows that judge, ascending.
        in_use: Numbers of all rows, copies included, ascending.
        part_of: The part of each image by its key, in the order of the keys: ``train``, ``validation``, or ``copy`` for
            what has the source of a validation image. Copies neither train nor judge: a picture that is there 17 times would
            count 17 times.
        sources: The source of an image by its key; others are sources of their own.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    in_use: NDArray[np.int64]
    part_of: dict[str, Part]
    sources: Mapping[str, Hashable]


def split_rows(
    features: FeatureTable,
    classes: Sequence[str],
    sources: Mapping[str, Hashable],
    *,
    views: Literal["all", "clean"],
    val_share: float,
) -> Rows:
    """Return the rows to train and to validate on.

    Args:
        features: All rows that may train.
        classes: Names of the classes by label.
        sources: The source of an image by its key, see ``validation_images``.
        views: Which views are in use, on both sides.
        val_share: Share of each class's images to hold out.

    Raises:
        TooFewSourcesError: No image can be held out.
    """
    class_of = {str(image): classes[label] for image, label in zip(features.images, features.labels, strict=True)}
    part_of: dict[str, Part] = dict.fromkeys(sorted(class_of), "train")
    held_out = validation_images(class_of, sources, val_share)
    for first, *copies in by_source(held_out, sources):
        part_of[first] = "validation"
        part_of.update((copy, "copy") for copy in copies)
    in_use = (features.views == CLEAN.name) if views == "clean" else np.ones(len(features), np.bool_)
    parts = np.array([part_of[str(image)] for image in features.images])
    train, validation = (np.flatnonzero(in_use & (parts == part)) for part in ("train", "validation"))
    return Rows(train, validation, np.flatnonzero(in_use), part_of, sources)


def validation_images(class_of: Mapping[str, str], sources: Mapping[str, Hashable], share: float) -> frozenset[str]:
    """Return the keys of the images that are held out, copies included.

    Sources go to one side whole. Those with more images than a class is to give up, and those that reach into another
    class, stay in training; the rest are cut in the order of their first image, the last ones held out. A class gives
    up at least one image if that leaves it another source to train on, and none otherwise.

    Args:
        class_of: The class of each training image by its key; keys sort as the file names do.
        sources: The source of an image; others are sources of their own.
        share: Share of each class to hold out, above 0 and below 1.

    Raises:
        TooFewSourcesError: No class can give up an image.
    """
    whole = _sources_of_classes(class_of, sources)
    images = Counter(class_of.values())
    held_out: set[str] = set()
    for name in sorted(images):
        others = images[name] - sum(len(source) for source in whole.get(name, []))
        held_out.update(_last(whole.get(name, []), max(1, round(share * images[name])), may_take_all=others > 0))
    if not held_out:
        raise TooFewSourcesError(
            "No training image can be held out for validation: all images of each class come from a single source; "
            "add images that differ"
        )
    return frozenset(held_out)


def _sources_of_classes(class_of: Mapping[str, str], sources: Mapping[str, Hashable]) -> dict[str, list[list[str]]]:
    """Return for each class the sources that lie within it, in the order of their first image."""
    whole: defaultdict[str, list[list[str]]] = defaultdict(list)
    for source in by_source(class_of, sources):
        classes = {class_of[image] for image in source}
        if len(classes) == 1:
            whole[classes.pop()].append(source)
    return whole


def by_source(images: Iterable[str], sources: Mapping[str, Hashable]) -> list[list[str]]:
    """Return the images of each source, in the order of its first image; others are sources of their own."""
    members: dict[Hashable, list[str]] = {}
    for image in sorted(images):
        identity = ("source", sources[image]) if image in sources else ("alone", image)
        members.setdefault(identity, []).append(image)
    return list(members.values())


def _last(sources: Sequence[list[str]], wanted: int, *, may_take_all: bool) -> list[str]:
    """Return the images of the last sources, as near to ``wanted`` as whole ones get; they are in name order."""
    if len(sources) < 2 and not may_take_all:
        return []
    fitting = [source for source in sources if len(source) <= wanted] or sorted(sources, key=len)[:1]
    if len(fitting) == len(sources) and not may_take_all:
        fitting = fitting[1:]
    taken: list[str] = []
    for source in reversed(fitting):
        if taken and len(taken) + len(source) / 2 >= wanted:
            break
        taken += source
    return taken


def digest(features: FeatureTable) -> str:
    """Return a digest of everything in a table, in hexadecimal; memory holds one read at a time."""
    state = hashlib.sha256()
    for column in (features.images, features.labels, features.views):
        state.update("\n".join(map(str, column.tolist())).encode())
    for inputs in reads(features.take, np.arange(len(features))):
        state.update(inputs.data)
    return state.hexdigest()
