"""Training LeNet-5 on images in memory, and reading it back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import nn
from numpy.typing import NDArray
from pydantic import Field, field_validator

from pipeline_lib.files.description import Description, Temperature
from pipeline_lib.images.prepare import GreyPreprocessing
from pipeline_lib.mnist.arrays import SIDE, Split
from pipeline_lib.models.lenet5 import Form, LeNet5
from pipeline_lib.settings.sections import NetworkSettings, NetworkTrainSettings
from pipeline_lib.training.inference import Logits, Predictor, Validation, logits_of_rows
from pipeline_lib.training.loop import Epoch, Progress, Watch, ignore_progress
from pipeline_lib.training.rows import split_rows
from pipeline_lib.training.steps import NetworkStep
from pipeline_lib.training.trainer import Trainer, read_trained, summary_of, write_trained
from pipeline_lib.views.view import CLEAN

NAME = "network"

Tell = Callable[[str], None]
"""Called with one line of text an epoch."""


class NetworkSpec(Description):
    """All that is needed to rebuild a network around its checkpoint; ``network.json`` beside ``network.ckpt``."""

    form: Form = Field(description="Form of LeNet-5.")
    classes: tuple[str, ...] = Field(min_length=1, description="Names of the classes in the order of the outputs.")
    preprocessing: GreyPreprocessing
    temperature: Temperature
    best_epoch: int = Field(ge=1, description="Epoch after which the parameters were taken.")
    parameters: int = Field(ge=1, description="Values in the checkpoint.")

    @field_validator("preprocessing")
    @classmethod
    def _fits(cls, preprocessing: GreyPreprocessing) -> GreyPreprocessing:
        if preprocessing.size != SIDE:
            raise ValueError(f"LeNet-5 takes images of {SIDE} x {SIDE} pixels, not {preprocessing.size} x {preprocessing.size}")
        return preprocessing


class PixelTable:
    """A split as the table that training reads; see ``FeatureTable``. Every image is there once, as it is.

    Attributes:
        images: Keys, (n,) str.
        labels: Class ids, (n,) int64.
        views: ``clean`` n times.
        width: Pixels an image.
    """

    def __init__(self, split: Split, preprocessing: GreyPreprocessing) -> None:
        self._pixels = np.array(split.images)
        self._preprocessing = preprocessing
        self.images: NDArray[Any] = np.array(split.keys)
        self.labels: NDArray[Any] = split.labels
        self.views: NDArray[Any] = np.full(len(split.keys), CLEAN)
        self.width = self._pixels[0].size

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the images of these rows as the network takes them, a fresh array (len(indices), 1, side, side)."""
        return self._preprocessing.scaled(self._pixels[indices])


def train_network(
    folder: Path,
    train: Split,
    test: Split,
    classes: Sequence[str],
    network: NetworkSettings,
    settings: NetworkTrainSettings,
    seed: int,
    *,
    progress: Progress = ignore_progress,
    tell: Tell = lambda line: None,
) -> dict[str, Any]:
    """Train LeNet-5 and write it into a folder.

    The folder receives ``network.ckpt`` and ``network.json`` (``load_network`` reads them), ``history.csv``, ``holdout.csv``
    and ``checkpoints/``. The validation part of train chooses the epoch and the temperature; after a refit, which is not the
    default, cross-validation chooses the temperature (five more trainings). After each epoch the accuracy on test is told
    and kept in the history, for people to see; nothing that chooses reads it. A training killed at any moment goes on from
    its newest checkpoint and writes the same bytes.

    Args:
        folder: An existing or new folder: empty, or what a killed training left in it.
        train: What to train on and, the last images of each class, what to validate on.
        test: What is watched.
        classes: Names of the classes by label.
        network: Which form of LeNet-5.
        settings: How to train.
        seed: Seed of the first weights and of the order of the images.
        progress: Called every few steps.
        tell: Called with a line after each epoch: loss, accuracy on train and on test.

    Returns:
        Figures of the training, as they stand in the manifest.

    Raises:
        PipelineError: No image can be held out for validation, or training diverged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    preprocessing = GreyPreprocessing(size=SIDE)
    table, watched = (PixelTable(split, preprocessing) for split in (train, test))
    rows = split_rows(table, classes, {}, views="all", val_share=settings.val_share)

    def build() -> LeNet5:
        return LeNet5(len(classes), network.form, seed=seed)

    step, watch = partial(NetworkStep, classes=len(classes)), _watch(watched, settings.epochs, tell)
    trainer = Trainer(folder, table, classes, rows, settings, seed, build, step, progress=progress, watch=watch)
    trained = trainer.train()
    spec = NetworkSpec(
        form=network.form,
        classes=tuple(classes),
        preprocessing=preprocessing,
        temperature=trained.calibration.temperature,
        best_epoch=trained.training.best.epoch,
        parameters=trained.parameters,
    )
    write_trained(folder, NAME, trained, spec, rows)
    return summary_of(trained, rows, settings)


def _watch(test: PixelTable, epochs: int, tell: Tell) -> Callable[[Logits], Watch]:
    """Return what makes of a network's outputs a function that measures its accuracy on test after an epoch, and tells."""

    def watching(logits_of: Logits) -> Watch:
        judge = Validation(logits_of, test.take, np.arange(len(test)), test.labels.astype(np.int32))

        def watch(row: Epoch) -> float:
            _, top1 = judge()
            tell(
                f"epoch {row.epoch:>{len(str(epochs))}}/{epochs}  loss {row.train_loss:.4f}  "
                f"train accuracy {row.train_top1:.4f}  test accuracy {top1:.4f}"
            )
            return top1

        return watch

    return watching


def load_network(folder: Path) -> tuple[LeNet5, NetworkSpec]:
    """Return the network that ``train_network`` wrote into a folder, and what belongs to it.

    Raises:
        PipelineError: A file is missing or damaged, or the parameters don't fit the description.
    """
    return read_trained(folder, NAME, NetworkSpec, lambda spec: LeNet5(len(spec.classes), spec.form))


def network_logits(network: nn.Cell, table: PixelTable) -> NDArray[np.float32]:
    """Return a network's logits (n, classes), float32, for all rows of a table."""
    return logits_of_rows(Predictor(network).logits, table.take, np.arange(len(table)))
