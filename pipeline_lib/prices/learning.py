"""How the top-1 of each class grows with its photographs: heads trained on subsets, judged on sources that none has seen.

In each training every class keeps a share of its sources that is drawn for it alone, so that one training says something of all
classes, and what the others have averages out. A photograph is judged many times, with more and with fewer of its class.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.models.outputs import logits_of_rows
from pipeline_lib.progress import Progress, ignore_progress
from pipeline_lib.settings.sections import TrainSettings
from pipeline_lib.training.folds import FOLDS, Fold, cut_folds
from pipeline_lib.training.head import head_trainer, one_thread
from pipeline_lib.training.rows import FeatureTable, Subset, TooFewSourcesError, by_source
from pipeline_lib.views.view import CLEAN

SHARES = (0.4, 0.7, 1.0)
"""Shares of the sources of a class that a training keeps, each as likely as the others."""

REPEATS = 12
"""Trainings of each fold: with five folds sixty, a few minutes in all."""

DRAWS = 2000
"""Draws of the bootstrap."""


_VARIED = 1e-6
"""Least sum of squared differences: less is what is left of rounding."""


@dataclass(frozen=True)
class Trials:
    """What was measured, n answers.

    Attributes:
        labels: (n,) int, the class of the photograph.
        sources: (n,) int, its source.
        trainings: (n,) int, the training that judged it.
        counts: (n,) int, how many photographs of its class that training had.
        hits: (n,) bool, whether it was right.
    """

    labels: NDArray[np.int64]
    sources: NDArray[np.int64]
    trainings: NDArray[np.int64]
    counts: NDArray[np.int64]
    hits: NDArray[np.bool_]


class Slope(NamedTuple):
    """What the top-1 of a class gains when its photographs become e times as many, 0..1, with the ends of its interval."""

    value: float
    low: float
    high: float

    def gain(self, photographs: int, more: int, top1: float) -> Slope:
        """Return what so many more photographs gain, no more than is missing to 1."""
        factor, room = np.log((photographs + more) / photographs), 1 - top1
        return Slope(*(float(min(end * factor, room)) for end in self))


def measure(
    table: FeatureTable,
    classes: Sequence[str],
    sources: Mapping[str, Hashable],
    settings: TrainSettings,
    epochs: int,
    seed: int,
    repeats: int = REPEATS,
    progress: Progress = ignore_progress,
) -> Trials:
    """Return what heads say that were trained on subsets, of the clean views of photographs whose source they have not seen.

    Args:
        table: The photographs of train in all views.
        classes: Names of the classes by label.
        sources: The source of an image by its key.
        settings: How to train.
        epochs: For how many epochs.
        seed: Seed of the subsets and of the trainings.
        repeats: Trainings of each fold.
        progress: Called after each training.

    Raises:
        TooFewSourcesError: There are no folds, or a subset has nothing to validate on.
    """
    folds = cut_folds(table, sources, FOLDS)
    if not folds:
        raise TooFewSourcesError("Each class comes from a single source; add images that differ")
    number_of = {image: number for number, group in enumerate(by_source(table.images.tolist(), sources)) for image in group}
    groups = np.array([number_of[image] for image in table.images.tolist()], np.int64)
    parts = []
    for number in range(repeats * len(folds)):
        fold, rng = folds[number % len(folds)], np.random.default_rng([seed, number])
        kept = fold.train[_kept(table.labels[fold.train], groups[fold.train], rng)]
        judged = fold.held_out[table.views[fold.held_out] == CLEAN.name]
        hits = _hits(table, Fold(kept, judged), classes, sources, settings, epochs, seed)
        images = np.unique(np.stack([table.labels[kept], np.unique(table.images[kept], return_inverse=True)[1]]), axis=1)
        counts = np.bincount(images[0], minlength=len(classes))[table.labels[judged]]
        parts.append((table.labels[judged], groups[judged], np.full(len(judged), number), counts, hits))
        progress(number + 1, repeats * len(folds), "trainings")
    return Trials(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _kept(labels: NDArray[np.int64], groups: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which rows stay when each class keeps a share of its sources, at least two."""
    kept = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels):
        there = np.unique(groups[labels == label])
        count = max(min(2, len(there)), round(float(rng.choice(SHARES)) * len(there)))
        kept |= (labels == label) & np.isin(groups, rng.choice(there, count, replace=False))
    return kept


def _hits(
    table: FeatureTable,
    fold: Fold,
    classes: Sequence[str],
    sources: Mapping[str, Hashable],
    settings: TrainSettings,
    epochs: int,
    seed: int,
) -> NDArray[np.bool_]:
    """Return of which held-out rows a head is right that is trained on the others."""
    with one_thread():
        trainer = head_trainer(None, Subset(table, fold.train), classes, sources, settings, seed)
        fitted = trainer.fitted("subset", trainer.rows.in_use, epochs)
        logits = logits_of_rows(fitted.step.logits, table.take, fold.held_out)
    return np.asarray(logits.argmax(axis=1) == table.labels[fold.held_out])


def slope_of(trials: Trials, label: int, confidence: float = 0.95, seed: int = 1) -> Slope | None:
    """Return how the top-1 of a class grows with the logarithm of its number of photographs; None if that was not varied.

    It is the slope of a line through the answers of each photograph, about its own means, so that hard and easy photographs
    do not matter. The interval resamples sources and trainings, both, because answers of either hang together.

    Source: A. B. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1 (2007), which errs on the wide side.
    """
    rows = trials.labels == label
    x, y = np.log(trials.counts[rows]), trials.hits[rows].astype(np.float64)
    # Photographs of a source are judged by the same trainings, so the means of a source do for its photographs.
    names, source = np.unique(trials.sources[rows], return_inverse=True)
    _, training = np.unique(trials.trainings[rows], return_inverse=True)
    size = np.bincount(source)
    dx, dy = (each - (np.bincount(source, each) / size)[source] for each in (x, y))
    shape = (len(names), int(training.max(initial=0)) + 1)
    products, squares = np.zeros(shape), np.zeros(shape)
    np.add.at(products, (source, training), dx * dy)
    np.add.at(squares, (source, training), dx * dx)
    if squares.sum() < _VARIED:
        return None
    rng, (n, m) = np.random.default_rng(seed), shape
    by, of = rng.multinomial(n, np.full(n, 1 / n), DRAWS), rng.multinomial(m, np.full(m, 1 / m), DRAWS)
    above, below = (np.einsum("ds,st,dt->d", by, each, of, optimize=True) for each in (products, squares))
    drawn = above[below > 0] / below[below > 0]
    low, high = np.quantile(drawn, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Slope(float(products.sum() / squares.sum()), float(low), float(high))
