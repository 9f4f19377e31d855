"""What the trainings of all networks have in common: validation chooses the epoch, a refit may follow, files record it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import nn
from numpy.typing import NDArray
from pydantic import BaseModel

from pipeline_lib.evaluation.calibration import UNSCALED, Calibration, calibrate
from pipeline_lib.files.table import write_table
from pipeline_lib.models.outputs import Logits, logits_of_rows
from pipeline_lib.models.parameters import write_parameters
from pipeline_lib.progress import Progress, ignore_progress
from pipeline_lib.settings.sections import TrainingSettings
from pipeline_lib.training.batches import Batches, Validation
from pipeline_lib.training.checkpoints import Checkpoints
from pipeline_lib.training.folds import FOLDS, Fold, cut_folds
from pipeline_lib.training.loop import Epoch, MakeStep, Plan, Step, Training, Watch, fit, warmup_cosine
from pipeline_lib.training.rows import FeatureTable, Rows, by_source, digest
from pipeline_lib.views.view import CLEAN

HISTORY = "history.csv"
HOLDOUT = "holdout.csv"
CHECKPOINTS = "checkpoints"
REFIT = "checkpoints-refit"
FOLD = "checkpoints-fold"
BEST = "best.ckpt"


@dataclass(frozen=True)
class Fitted:
    """A network that has been trained.

    Attributes:
        network: The network with its final parameters.
        step: What has trained it; computes its outputs.
        training: What was learned about its epochs, when a validation part judged them.
        plan: How long that might have taken.
    """

    network: nn.Cell
    step: Step
    training: Training
    plan: Plan


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        network: The network with its final parameters.
        training: What was learned about its epochs.
        plan: How long it might have taken.
        calibration: What its logits are divided by before softmax, and what that does for its probabilities.
    """

    network: nn.Cell
    training: Training
    plan: Plan
    calibration: Calibration

    @property
    def parameters(self) -> int:
        """Number of values that are trained."""
        return sum(parameter.size for parameter in self.network.trainable_params())


@dataclass(frozen=True)
class Trainer:
    """Trains networks of one kind on one table.

    Attributes:
        folder: Where checkpoints go; None for a training so short that it need not continue after a kill.
        table: The rows that may train.
        classes: Names of the classes by label.
        rows: Which rows train and which judge.
        settings: How to train.
        seed: Seed of the order of the rows and of dropout.
        build: Returns the network with its first parameters, the same ones whenever it is asked.
        make_step: Returns what trains a network.
        dropout: Share of each row's inputs set to 0 in training, 0..1 without 1.
        redraw: Whether an epoch has one view of each image, another one each time, instead of all of them.
        progress: Called every few steps.
        watch: See ``fit``; it is made of what computes the outputs of the network that is being trained.
    """

    folder: Path | None
    table: FeatureTable
    classes: Sequence[str]
    rows: Rows
    settings: TrainingSettings
    seed: int
    build: Callable[[], nn.Cell]
    make_step: MakeStep
    dropout: float = 0.0
    redraw: bool = False
    progress: Progress = ignore_progress
    watch: Callable[[Logits], Watch] | None = None

    def train(self) -> Trained:
        """Return the network that ``fit`` returns, and the temperature for its outputs."""
        fitted = self.fit()
        calibration = self._calibrated_by_folds(fitted) if self.settings.refit else self.calibrated_by_validation(fitted)
        return Trained(fitted.network, fitted.training, fitted.plan, calibration)

    def fit(self) -> Fitted:
        """Train, choose the epoch by the validation part, and refit on all rows if the settings say so."""
        judged = self.fitted(CHECKPOINTS, self.rows.train, self.settings.epochs, self.rows.validation)
        if not self.settings.refit:
            return judged
        if self.folder:
            write_parameters(judged.network, self.folder / BEST)
        again = self.fitted(REFIT, self.rows.in_use, judged.training.best.epoch)
        return replace(again, training=judged.training, plan=judged.plan)

    def fitted(self, name: str, rows: NDArray[np.int64], epochs: int, judging: NDArray[np.int64] | None = None) -> Fitted:
        """Return a new network that is trained on rows, for the best number of epochs if other rows judge it, else for all.

        Args:
            name: Folder of its checkpoints.
            rows: Numbers of the rows to train on.
            epochs: Most epochs.
            judging: Numbers of the rows that judge.
        """
        network, labels = self.build(), self.table.labels.astype(np.int32)
        batches = Batches(
            self.table.take,
            rows,
            labels[rows],
            self.settings.batch,
            self.seed,
            self.dropout,
            self.table.width,
            self.table.images[rows] if self.redraw else None,
        )
        plan = plan_of(self.settings, batches.per_epoch, epochs)
        step = self.make_step(network, plan.schedule, self.settings)
        validation = watch = None
        if judging is not None:
            validation = Validation(step.logits, self.table.take, judging, labels[judging])
            watch = self.watch(step.logits) if self.watch else None
        checkpoints = self._checkpoints(name, rows)
        training = fit(step, plan, batches, validation, checkpoints, progress=self.progress, watch=watch)
        return Fitted(network, step, training, plan)

    def calibrated_by_validation(self, fitted: Fitted) -> Calibration:
        """Return the calibration of the network that the validation part has judged, by the clean views of that part.

        Predictions are asked for photographs as they are; noisy views are harder, and would make the network too doubtful.
        """
        rows = self.rows.validation
        clean = rows[self.table.views[rows] == CLEAN.name]
        return calibrate(self._logits(fitted, clean), self.table.labels[clean], np.arange(len(clean)) % FOLDS)

    def _calibrated_by_folds(self, fitted: Fitted) -> Calibration:
        """Return the calibration of a network that has seen all rows: by others, each trained without a part of them.

        A network's outputs for rows that it has learned are surer than for new ones, and the network that the validation
        part has judged is another one, of fewer rows and an epoch that was chosen for it.
        """
        folds, epochs = self._folds(), fitted.training.best.epoch
        if not folds:
            return UNSCALED
        others = [self.fitted(f"{FOLD}-{number}", fold.train, epochs) for number, fold in enumerate(folds, start=1)]
        logits = [self._logits(other, fold.held_out) for other, fold in zip(others, folds, strict=True)]
        judged = np.concatenate([fold.held_out for fold in folds])
        parts = np.repeat(np.arange(len(folds)), [len(fold.held_out) for fold in folds])
        return calibrate(np.concatenate(logits), self.table.labels[judged], parts)

    def _folds(self) -> list[Fold]:
        """Return the folds that fit the temperature: each source counts once, by the clean view of its first image."""
        firsts = [images[0] for images in by_source(self.rows.part_of, self.rows.sources)]
        counting = np.flatnonzero((self.table.views == CLEAN.name) & np.isin(self.table.images, firsts))
        folds = [
            Fold(np.intersect1d(fold.train, self.rows.in_use), np.intersect1d(fold.held_out, counting))
            for fold in cut_folds(self.table, self.rows.sources, FOLDS)
        ]
        return [fold for fold in folds if len(fold.held_out)]

    def _logits(self, fitted: Fitted, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return logits_of_rows(fitted.step.logits, self.table.take, rows)

    def _checkpoints(self, name: str, rows: NDArray[np.int64]) -> Checkpoints | None:
        """Return the checkpoints in the folder ``name`` of a training on rows; None where none are kept."""
        if self.folder is None:
            return None
        every, keep = self.settings.checkpoint_every, self.settings.keep_checkpoints
        fingerprint = f"{self._fingerprint}-{hashlib.sha256(rows.tobytes()).hexdigest()}-{name}"
        return Checkpoints(self.folder / name, fingerprint, every, keep)

    @cached_property
    def _fingerprint(self) -> str:
        """What distinguishes this training from any other: a digest of all that it depends on, except the code."""
        parts = [digest(self.table), list(self.classes), self.rows.part_of, self.settings.model_dump(), self.seed]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def plan_of(settings: TrainingSettings, steps_per_epoch: int, epochs: int) -> Plan:
    """Return the plan of ``epochs`` epochs; the whole schedule is fitted into them, so that a refit too ends annealed."""
    schedule = warmup_cosine(
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        warmup_epochs=min(settings.warmup_epochs, epochs - 1),
        lr_start=settings.lr_start,
        lr_max=settings.lr_max,
        lr_end=settings.lr_end,
    )
    return Plan(epochs, steps_per_epoch, schedule, settings.patience)


def write_tables(folder: Path, training: Training, rows: Rows) -> None:
    """Write ``history.csv``, an epoch a row, and ``holdout.csv``, the part of each image (see ``Rows``)."""
    columns = [*Epoch._fields, *(["test_top1"] if training.watched else [])]
    history = [[row.epoch, *(f"{figure:.6g}" for figure in row[1:])] for row in training.history]
    for cells, top1 in zip(history, training.watched, strict=False):
        cells.append(f"{top1:.6g}")
    write_table(folder / HISTORY, columns, history)
    write_table(folder / HOLDOUT, ("image", "part"), rows.part_of.items())


def write_trained(folder: Path, name: str, trained: Trained, spec: BaseModel, rows: Rows) -> None:
    """Write what a training leaves: ``<name>.ckpt``, its description ``<name>.json``, and the tables."""
    write_parameters(trained.network, folder / f"{name}.ckpt")
    (folder / f"{name}.json").write_text(spec.model_dump_json(indent=2) + "\n", encoding="utf-8")
    write_tables(folder, trained.training, rows)


def summary_of(trained: Trained, rows: Rows, settings: TrainingSettings) -> dict[str, Any]:
    """Return the figures of a training, as recorded in the manifest."""
    parts = list(rows.part_of.values())
    training, epochs = trained.training, len(trained.training.history)
    return {
        "epochs": epochs,
        "best_epoch": training.best.epoch,
        "stopped_early": epochs < trained.plan.epochs,
        "steps": epochs * trained.plan.steps_per_epoch,
        "train_loss": training.best.train_loss,
        "train_top1": training.best.train_top1,
        "val_loss": training.best.val_loss,
        "val_top1": training.best.val_top1,
        "temperature": trained.calibration.temperature,
        "held_out_ece_before": round(trained.calibration.error_before, 6),
        "held_out_ece_after": round(trained.calibration.error_after, 6),
        "held_out_images": trained.calibration.rows,
        "parameters": trained.parameters,
        "train_images": parts.count("train"),
        "val_images": parts.count("validation"),
        "val_copies": parts.count("copy"),
        "train_rows": len(rows.train),
        "val_rows": len(rows.validation),
        "refit": settings.refit,
    }
