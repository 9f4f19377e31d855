"""Cross-validation: every photograph is predicted by a head that was trained without its source."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.evaluation.out_of_fold import OutOfFold
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.models.outputs import logits_of_rows
from pipeline_lib.progress import Progress, ignore_progress
from pipeline_lib.settings.sections import TrainSettings
from pipeline_lib.training.folds import Fold, cut_folds
from pipeline_lib.training.head import head_trainer, one_thread
from pipeline_lib.training.rows import FeatureTable, Subset, TooFewSourcesError

Predict = Callable[[Fold, int, Progress], NDArray[np.float32]]
"""Trains on a fold's rows and returns the logits (n, classes) of those held out; it is given the fold's number, from 1."""


def predict_out_of_fold(
    features: FeatureTable,
    classes: Sequence[str],
    sources: Mapping[str, Hashable],
    settings: TrainSettings,
    folds: int,
    seed: int,
    progress: Progress = ignore_progress,
) -> OutOfFold:
    """Train a head for each fold on the other folds, and let it predict every view of the photographs that it has not seen.

    Each head is trained as the one that is shipped: a validation part of its photographs, cut by source, chooses the epoch,
    and it is trained again on all of them if the settings say so.

    Args:
        features: All photographs in all views that are to be predicted.
        classes: Names of the classes by label.
        sources: The source of an image by its key; others are sources of their own.
        settings: How to train; also whether augmented views train.
        folds: Number of folds, at least 2; see ``cut_folds``.
        seed: As for ``train_head``.
        progress: Called every few steps.

    Returns:
        See ``cross_validated``.

    Raises:
        TooFewSourcesError: There are no folds, or what a fold leaves to train on has nothing to validate on.
        PipelineError: Training diverged.
    """

    def predict(fold: Fold, number: int, report: Progress) -> NDArray[np.float32]:
        with one_thread():
            fitted = head_trainer(None, Subset(features, fold.train), classes, sources, settings, seed, report).fit()
            return logits_of_rows(fitted.step.logits, features.take, fold.held_out)

    return cross_validated(features, sources, folds, predict, progress)


def cross_validated(
    table: FeatureTable, sources: Mapping[str, Hashable], folds: int, predict: Predict, progress: Progress = ignore_progress
) -> OutOfFold:
    """Return what is predicted of every row by something that was trained without its source.

    Returns:
        A row for each view of each photograph that could be predicted, see ``cut_folds``, in the order of the table. Folds are
        numbered from 1.

    Raises:
        TooFewSourcesError: There are no folds.
    """
    cut = cut_folds(table, sources, folds)
    if not cut:
        raise TooFewSourcesError("Each class comes from a single source; add images that differ")
    logits = [
        predict(fold, number, _naming(f"fold {number} of {len(cut)}", progress)) for number, fold in enumerate(cut, start=1)
    ]
    rows, numbers = np.concatenate([fold.held_out for fold in cut]), np.arange(1, len(cut) + 1)
    return _in_order(table, rows, np.concatenate(logits), np.repeat(numbers, [len(fold.held_out) for fold in cut]), sources)


def _naming(what: str, progress: Progress) -> Progress:
    """Return a callback that says first what is being trained."""
    return lambda done, total, text: progress(done, total, f"{what}, {text}")


def _in_order(
    features: FeatureTable,
    rows: NDArray[np.int64],
    logits: NDArray[np.float32],
    folds: NDArray[np.int64],
    sources: Mapping[str, Hashable],
) -> OutOfFold:
    """Return the logits and folds of rows of a table in its order."""
    order = np.argsort(rows)
    images, labels, views = (column[rows[order]] for column in (features.images, features.labels, features.views))
    return OutOfFold(Predictions(images, labels, views, logits[order], sources), folds[order])
