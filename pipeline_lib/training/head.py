"""Training the classifier on cached features."""

from __future__ import annotations

import shutil
from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from pipeline_lib.files.links import link_or_copy
from pipeline_lib.models.classifier import Classifier
from pipeline_lib.models.files import BACKBONE, CHECKPOINT, ONNX, SPEC
from pipeline_lib.models.heads import HeadSpec, write_head
from pipeline_lib.models.parameters import parameters_of
from pipeline_lib.progress import Progress, ignore_progress
from pipeline_lib.settings.sections import TrainSettings
from pipeline_lib.stages.kept import Kept
from pipeline_lib.training.dense import DenseStep
from pipeline_lib.training.inputs import standardisation_of
from pipeline_lib.training.rows import FeatureTable, split_rows
from pipeline_lib.training.trainer import Trainer, summary_of, write_tables


def train_head(
    folder: Path,
    features: FeatureTable,
    classes: Sequence[str],
    sources: Mapping[str, Hashable],
    settings: TrainSettings,
    seed: int,
    progress: Progress = ignore_progress,
) -> dict[str, Any]:
    """Train a classifier on features and write it into a folder.

    The folder receives ``head.npz`` and ``head.json`` (``load_head`` reads them), ``history.csv`` (an epoch a row),
    ``holdout.csv`` (the part of each image, see ``Rows``) and ``checkpoints/``. The validation part chooses the epoch. With
    ``settings.refit`` the head is then trained anew on all of train for as many epochs (``checkpoints-refit/``), and
    ``best.ckpt`` keeps the head that the validation part has judged. The temperature is fitted on images that the head, or
    one trained like it, has not seen: on the validation part, after a refit by cross-validation (``checkpoints-fold-N/``).
    A training killed at any moment goes on in the same folder from its newest checkpoint and writes the same bytes.

    Args:
        folder: An existing or new folder: empty, or what a killed training left in it.
        features: The train split in all its views.
        classes: Names of the classes by label.
        sources: The source of an image by its key: those of one source stay on one side of every cut.
        settings: How to train.
        seed: Seed of the first weights, the order of the rows and dropout.
        progress: Called every few steps.

    Returns:
        Figures of the training, as recorded in the manifest.

    Raises:
        PipelineError: No image can be held out for validation, or training diverged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trainer = head_trainer(folder, features, classes, sources, settings, seed, progress)
    with one_thread():
        trained = trainer.train()
    spec = HeadSpec(
        classes=tuple(classes),
        in_features=features.width,
        hidden=settings.hidden,
        noise_aware=features.noise_aware,
        temperature=trained.calibration.temperature,
        best_epoch=trained.training.best.epoch,
        parameters=trained.parameters,
    )
    write_head(folder, spec, parameters_of(trained.network))
    write_tables(folder, trained.training, trainer.rows)
    return summary_of(trained, trainer.rows, settings)


def head_trainer(
    folder: Path | None,
    features: FeatureTable,
    classes: Sequence[str],
    sources: Mapping[str, Hashable],
    settings: TrainSettings,
    seed: int,
    progress: Progress = ignore_progress,
) -> Trainer:
    """Return what trains a classifier on features, to be used with ``one_thread``; see ``train_head`` and ``Trainer``."""
    rows = split_rows(features, classes, sources, views=settings.views, val_share=settings.val_share)

    step = partial(DenseStep, standardisation=standardisation_of(features.take, rows.train, features.width))

    def build() -> Classifier:
        return Classifier(features.width, len(classes), settings.hidden, noise_aware=features.noise_aware, seed=seed)

    return Trainer(folder, features, classes, rows, settings, seed, build, step, dropout=settings.dropout, progress=progress)


def one_thread() -> AbstractContextManager[Any]:
    """Return a context in which a head's products run on one thread.

    Sums of several depend on their number, and products as small as these gain little by a second one.
    """
    limits: AbstractContextManager[Any] = threadpool_limits(1, user_api="blas")
    return limits


def keep_backbone(model: Path, backbone: Kept) -> None:
    """Put the backbone's files beside the head; raises PipelineError when one is not what was recorded."""
    target = model / BACKBONE
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name in (CHECKPOINT, SPEC, ONNX):
        link_or_copy(backbone.intact(name), target / name)
