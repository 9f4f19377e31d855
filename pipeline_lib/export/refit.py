"""A head for a backbone that takes another one's place: trained on its features, and compared out of fold with the old one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto
from onnxruntime import InferenceSession, SessionOptions
from scipy.special import softmax

from pipeline_lib.export.photographs import Photograph, evenly
from pipeline_lib.export.source import Source
from pipeline_lib.export.validation import Compared, compared
from pipeline_lib.images.noise import noise_level
from pipeline_lib.images.preprocessing import Preprocessing
from pipeline_lib.models.heads import Head
from pipeline_lib.models.outputs import logits_of_rows
from pipeline_lib.models.parameters import parameters_of
from pipeline_lib.settings.sections import TrainSettings, TrainViewSettings
from pipeline_lib.training.folds import FOLDS, Fold, cut_folds
from pipeline_lib.training.head import head_trainer, one_thread
from pipeline_lib.training.rows import Subset
from pipeline_lib.views.augment import augment, generator
from pipeline_lib.views.view import CLEAN, View, augmented_views

VIEWS: tuple[View, ...] = (CLEAN, *augmented_views(TrainViewSettings(views=2)))
"""What is trained and judged on: more than two noisy views gain nothing, see docs/decisions/021-depths-and-noise.md."""

MOST = 5000
"""Photographs that are used; of more an even choice is taken, so that it takes minutes at most."""

SEED = 1


@dataclass(frozen=True)
class Refit:
    """A head that has been trained anew.

    Attributes:
        head: The head.
        held_out: How heads on the new features answer beside heads on the old ones, on photographs that neither has seen: clean
            ones and noisy ones.
    """

    head: Head
    held_out: tuple[Compared, ...]


@dataclass
class Rows:
    """Features of photographs in `VIEWS`, in memory; see ``training.rows.FeatureTable``."""

    images: NDArray[np.str_]
    labels: NDArray[np.int64]
    views: NDArray[np.str_]
    values: NDArray[np.float32]
    width: int
    noise_aware: bool

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """See ``FeatureTable``."""
        return self.values[indices]


def refit(source: Source, before: ModelProto, after: ModelProto, train: Sequence[Photograph]) -> Refit:
    """Return a head for a backbone that takes the place of a model's own.

    Both sides of the comparison learn from the same rows, with the default settings of a head and the same folds by source, so
    what differs is the backbone alone. Of a backbone that was tuned on these photographs both sides are too good alike.

    Args:
        source: The model.
        before: Its backbone, prepared images (n, 3, size, size) in, features out.
        after: What takes its place.
        train: Photographs of train with their labels, at least two sources.

    Raises:
        PipelineError: There are too few sources to hold one out.
    """
    photographs, spec = evenly(train, MOST), source.head.spec
    old, new = _rows(photographs, spec.classes, source.spec.preprocessing, (before, after))
    sources = {photograph.key: photograph.source for photograph in photographs}
    settings = TrainSettings(hidden=spec.hidden)
    with one_thread():
        folds = cut_folds(new, sources, FOLDS)
        answers = [_out_of_fold(rows, folds, spec.classes, sources, settings) for rows in (old, new)]
        trained = head_trainer(None, new, spec.classes, sources, settings, SEED).train()
    update = {"temperature": trained.calibration.temperature, "best_epoch": trained.training.best.epoch}
    head = Head(spec.model_copy(update=update), parameters_of(trained.network))
    judged = np.sort(np.concatenate([fold.held_out for fold in folds]))
    return Refit(head, _compared(photographs, spec.classes, new.views, judged, answers))


def _rows(
    photographs: Sequence[Photograph], classes: Sequence[str], preprocessing: Preprocessing, backbones: Sequence[ModelProto]
) -> list[Rows]:
    """Return the features of photographs in all views by each backbone, photograph by photograph."""
    threads = SessionOptions()
    threads.intra_op_num_threads = 1
    sessions = [InferenceSession(each.SerializeToString(), threads, ["CPUExecutionProvider"]) for each in backbones]

    def seen(photograph: Photograph) -> list[list[NDArray[np.float32]]]:
        image, rows = photograph.read(), []
        for view in VIEWS:
            rng = generator(SEED, photograph.key, view.name)
            shown = image if view == CLEAN else augment(image, view, rng, preprocessing.size)[0]
            array, noise = preprocessing.prepare(shown)
            level = [] if noise is None else [noise_level(np.array([noise], np.float32))]
            features = (each.run(None, {each.get_inputs()[0].name: array[None]})[0][0] for each in sessions)
            rows.append([np.concatenate([own, *level]) for own in features])
        return rows

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        values = np.array([row for rows in pool.map(seen, photographs) for row in rows], np.float32)
    ids = {name: number for number, name in enumerate(classes)}
    images = np.repeat([photograph.key for photograph in photographs], len(VIEWS))
    labels = np.repeat([ids[photograph.label or ""] for photograph in photographs], len(VIEWS))
    views, aware = np.tile([view.name for view in VIEWS], len(photographs)), preprocessing.noise_aware
    return [Rows(images, labels, views, own, own.shape[1] - aware, aware) for own in values.transpose(1, 0, 2)]


def _out_of_fold(
    rows: Rows, folds: Sequence[Fold], classes: Sequence[str], sources: Mapping[str, str], settings: TrainSettings
) -> NDArray[np.float32]:
    """Return probabilities (n, classes) of all rows that a fold holds out, 0 of others."""
    answers = np.zeros((len(rows), len(classes)), np.float32)
    for fold in folds:
        fitted = head_trainer(None, Subset(rows, fold.train), classes, sources, settings, SEED).fit()
        answers[fold.held_out] = softmax(logits_of_rows(fitted.step.logits, rows.take, fold.held_out), axis=1)
    return answers


def _compared(
    photographs: Sequence[Photograph],
    classes: Sequence[str],
    views: NDArray[np.str_],
    judged: NDArray[np.int64],
    answers: Sequence[NDArray[np.float32]],
) -> tuple[Compared, ...]:
    clean = views[judged] == CLEAN.name
    return tuple(
        compared(
            f"{kind}, out of fold",
            classes,
            [photographs[row // len(VIEWS)] for row in rows],
            list(zip(*(own[rows] for own in answers), strict=True)),
        )
        for kind, rows in (("clean", judged[clean]), ("noisy", judged[~clean]))
    )
