"""What the trainings of all networks have in common: validation chooses the epoch, a refit may follow, files record it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import nn
from numpy.typing import NDArray
from pydantic import BaseModel

from pipeline_lib.files.table import write_table
from pipeline_lib.models.outputs import Logits, logits_of_rows
from pipeline_lib.models.parameters import write_parameters
from pipeline_lib.progress import Progress, ignore_progress
from pipeline_lib.settings.sections import TrainingSettings
from pipeline_lib.training.batches import Batches, Validation
from pipeline_lib.training.calibration import Calibration, calibrate
from pipeline_lib.training.checkpoints import Checkpoints
from pipeline_lib.training.loop import Epoch, MakeStep, Plan, Step, Training, Watch, fit, warmup_cosine
from pipeline_lib.training.rows import FOLDS, FeatureTable, Fold, Rows, digest
from pipeline_lib.views.view import CLEAN

HISTORY = "history.csv"
HOLDOUT = "holdout.csv"
CHECKPOINTS = "checkpoints"
REFIT = "checkpoints-refit"
FOLD = "checkpoints-fold"
BEST = "best.ckpt"


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
        """Number of values in the network."""
        return sum(parameter.size for parameter in self.network.get_parameters())


@dataclass(frozen=True)
class Trainer:
    """Trains networks of one kind on one table.

    Attributes:
        folder: Where checkpoints go.
        table: The train split.
        classes: Names of the classes by label.
        rows: Which rows train and which judge.
        settings: How to train.
        seed: Seed of the order of the rows and of dropout.
        build: Returns the network with its first parameters, the same ones whenever it is asked.
        make_step: Returns what trains a network.
        dropout: Share of each row's inputs set to 0 in training, 0..1 without 1.
        progress: Called every few steps.
        watch: See ``fit``; it is made of what computes the outputs of the network that is being trained.
    """

    folder: Path
    table: FeatureTable
    classes: Sequence[str]
    rows: Rows
    settings: TrainingSettings
    seed: int
    build: Callable[[], nn.Cell]
    make_step: MakeStep
    dropout: float = 0.0
    progress: Progress = ignore_progress
    watch: Callable[[Logits], Watch] | None = None

    def train(self) -> Trained:
        """Train, choose the epoch by the validation part, refit if the settings say so, and fit the temperature."""
        network, rows, labels = self.build(), self.rows, self.table.labels.astype(np.int32)
        fingerprint = self._fingerprint()
        step, plan, batches = self._prepared(network, rows.train, self.settings.epochs)
        validation = Validation(step.logits, self.table.take, rows.validation, labels[rows.validation])
        watch = self.watch(step.logits) if self.watch else None
        checkpoints = self._checkpoints(CHECKPOINTS, fingerprint)
        training = fit(step, plan, batches, validation, checkpoints, progress=self.progress, watch=watch)
        if not self.settings.refit:
            return Trained(network, training, plan, self._calibrated_by(validation))
        write_parameters(network, self.folder / BEST)
        network = self.build()
        again = self._prepared(network, rows.in_use, training.best.epoch)
        fit(*again, None, self._checkpoints(REFIT, fingerprint), progress=self.progress)
        return Trained(network, training, plan, self._calibrated_by_folds(training.best.epoch, fingerprint))

    def _calibrated_by(self, validation: Validation) -> Calibration:
        """Return the calibration of the network that the validation part has judged, by the clean views of that part.

        Predictions are asked for photographs as they are; noisy views are harder, and would make the network too doubtful.
        """
        clean = self.table.views[validation.rows] == CLEAN.name
        labels = validation.labels[clean]
        return calibrate(validation.logits()[clean], labels, np.arange(len(labels)) % FOLDS)

    def _calibrated_by_folds(self, epochs: int, fingerprint: str) -> Calibration:
        """Return the calibration of a network that has seen all rows: by others, each trained without a part of them.

        A network's outputs for rows that it has learned are surer than for new ones, and the network that the validation
        part has judged is another one, of fewer rows and an epoch that was chosen for it.
        """
        folds = self.rows.folds
        logits = [self._held_out_logits(number, fold, epochs, fingerprint) for number, fold in enumerate(folds, start=1)]
        judged = np.concatenate([fold.judged for fold in folds])
        parts = np.repeat(np.arange(len(folds)), [len(fold.judged) for fold in folds])
        return calibrate(np.concatenate(logits), self.table.labels[judged], parts)

    def _held_out_logits(self, number: int, fold: Fold, epochs: int, fingerprint: str) -> NDArray[np.float32]:
        """Return the logits of the rows that a fold judges, of a network that is trained on its other rows."""
        step, plan, batches = self._prepared(self.build(), fold.train, epochs)
        fit(step, plan, batches, None, self._checkpoints(f"{FOLD}-{number}", fingerprint), progress=self.progress)
        return logits_of_rows(step.logits, self.table.take, fold.judged)

    def _prepared(self, network: nn.Cell, rows: NDArray[np.int64], epochs: int) -> tuple[Step, Plan, Batches]:
        """Return what trains a network on rows for at most ``epochs`` epochs."""
        labels = self.table.labels[rows].astype(np.int32)
        batches = Batches(self.table.take, rows, labels, self.settings.batch, self.seed, self.dropout)
        plan = _plan(self.settings, batches.per_epoch, epochs)
        return self.make_step(network, plan.schedule, self.settings), plan, batches

    def _checkpoints(self, name: str, fingerprint: str) -> Checkpoints:
        """Return the checkpoints in the folder ``name``."""
        every, keep = self.settings.checkpoint_every, self.settings.keep_checkpoints
        return Checkpoints(self.folder / name, f"{fingerprint}-{name}", every, keep)

    def _fingerprint(self) -> str:
        """Return what distinguishes this training from any other one: a digest of all its result depends on, the code aside."""
        folds = [hashlib.sha256(fold.train.tobytes()).hexdigest() for fold in self.rows.folds]
        parts = [digest(self.table), list(self.classes), self.rows.part_of, folds, self.settings.model_dump(), self.seed]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _plan(settings: TrainingSettings, steps_per_epoch: int, epochs: int) -> Plan:
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
