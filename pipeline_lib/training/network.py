"""Training LeNet-5 on images in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_lib.images.prepare import GreyPreprocessing
from pipeline_lib.mnist.arrays import SIDE, Split
from pipeline_lib.mnist.table import PixelTable
from pipeline_lib.models.graph import graph_mode
from pipeline_lib.models.lenet5 import NAME, LeNet5, NetworkSpec
from pipeline_lib.models.outputs import Logits
from pipeline_lib.progress import Progress, ignore_progress
from pipeline_lib.settings.sections import NetworkSettings, NetworkTrainSettings
from pipeline_lib.training.batches import Validation
from pipeline_lib.training.loop import Epoch, Watch
from pipeline_lib.training.rows import split_rows
from pipeline_lib.training.steps import NetworkStep
from pipeline_lib.training.trainer import Trainer, summary_of, write_trained

Say = Callable[[str], None]
"""Called with one line of text per epoch."""


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
    say: Say = lambda line: None,
) -> dict[str, Any]:
    """Train LeNet-5 and write it into a folder.

    The folder receives ``network.ckpt`` and ``network.json`` (``load_network`` reads them), ``history.csv``, ``holdout.csv``
    and ``checkpoints/``. The validation part of train chooses the epoch and the temperature; after a refit, which is not the
    default, cross-validation chooses the temperature (five more trainings). After each epoch the accuracy on test is printed
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
        say: Called with a line after each epoch: loss, accuracy on train and on test.

    Returns:
        Figures of the training, as recorded in the manifest.

    Raises:
        PipelineError: No image can be held out for validation, or training diverged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    preprocessing = GreyPreprocessing(size=SIDE)
    table, watched = (PixelTable(split, preprocessing) for split in (train, test))
    rows = split_rows(table, classes, {}, views="all", val_share=settings.val_share)

    def build() -> LeNet5:
        return LeNet5(len(classes), network.form, seed=seed)

    step, watch = partial(NetworkStep, classes=len(classes)), _watch(watched, settings.epochs, say)
    trainer = Trainer(folder, table, classes, rows, settings, seed, build, step, progress=progress, watch=watch)
    with graph_mode():
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


def _watch(test: PixelTable, epochs: int, say: Say) -> Callable[[Logits], Watch]:
    """Return what makes of a network's outputs a function that measures its accuracy on test after an epoch, and says it."""

    def watching(logits_of: Logits) -> Watch:
        judge = Validation(logits_of, test.take, np.arange(len(test)), test.labels.astype(np.int32))

        def watch(row: Epoch) -> float:
            _, top1 = judge()
            say(
                f"epoch {row.epoch:>{len(str(epochs))}}/{epochs}  loss {row.train_loss:.4f}  "
                f"train accuracy {row.train_top1:.4f}  test accuracy {top1:.4f}"
            )
            return top1

        return watch

    return watching
