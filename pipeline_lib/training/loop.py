"""The training loop: learning rates, epochs, early stopping, the best parameters, resuming; a ``Step`` does the rest."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from mindspore import nn
from numpy.typing import NDArray

from pipeline_lib.errors import PipelineError
from pipeline_lib.progress import Progress, ignore_progress
from pipeline_lib.settings.sections import TrainingSettings
from pipeline_lib.training.checkpoints import Arrays, Checkpoints

logger = logging.getLogger(__name__)

Batch = tuple[NDArray[np.float32], NDArray[np.int32]]
Watch = Callable[["Epoch"], float]
"""Called with every epoch that ran; what it returns is kept beside the history, where nothing that chooses looks."""

_UNJUDGED = (float("nan"), float("nan"))

PROGRESS_STEPS = 25
"""Steps between two calls of a progress callback: every 10 to 200 ms for the networks trained here."""


class Step(Protocol):
    """Trains a network batch by batch."""

    def __call__(self, inputs: NDArray[np.float32], labels: NDArray[np.int32]) -> tuple[float, int]:
        """Update the network by one batch; return mean loss and number of correct rows, both from before the update.

        The loss is the mean cross-entropy with targets (1 - s) * one_hot + s / classes, s being the label smoothing (Szegedy
        et al. 2016, arXiv:1512.00567, section 7).

        Args:
            inputs: What the network takes, (n, ...), all batches of one size.
            labels: Class ids, (n,).
        """
        ...

    def logits(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the network's logits (n, classes), as it is now, of inputs (n, ...)."""
        ...

    def parameters(self) -> Arrays:
        """Return copies of the network's parameters under their names."""
        ...

    def assign(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Give the network the parameters that ``parameters`` returned; only then the cell itself is sure to have them."""
        ...

    def state(self) -> Arrays:
        """Return copies of all that the next steps depend on, parameters and the optimiser's memory."""
        ...

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set what ``state`` returned."""
        ...


MakeStep = Callable[[nn.Cell, NDArray[np.float32], TrainingSettings], Step]
"""Makes a step of a network, the learning rate of every step, and settings."""


class Epoch(NamedTuple):
    """One row of the history.

    Training figures are means over the epoch's batches, each taken before the batch's own update, with dropout and label
    smoothing; validation figures are without both, so the two losses differ in more than the rows.

    Attributes:
        epoch: Number of the epoch, from 1.
        lr: Learning rate of its last step.
        train_loss: Mean loss in nats.
        train_top1: Share of rows classified correctly, 0..1.
        val_loss: Mean cross-entropy in nats on the validation rows, after the epoch; not a number where there are none.
        val_top1: Share of validation rows classified correctly, 0..1; not a number where there are none.
    """

    epoch: int
    lr: float
    train_loss: float
    train_top1: float
    val_loss: float
    val_top1: float


@dataclass(frozen=True)
class Plan:
    """How long to train.

    Attributes:
        epochs: Maximum number of epochs.
        steps_per_epoch: Batches per epoch.
        schedule: Learning rate of every step, (epochs * steps_per_epoch,).
        patience: Epochs in a row without a better validation loss after which training stops.
    """

    epochs: int
    steps_per_epoch: int
    schedule: NDArray[np.float32]
    patience: int


def warmup_cosine(
    *, epochs: int, steps_per_epoch: int, warmup_epochs: int, lr_start: float, lr_max: float, lr_end: float
) -> NDArray[np.float32]:
    """Return the learning rate of each of the ``epochs * steps_per_epoch`` steps, float32.

    The first step has ``lr_start``, the first one after warm-up ``lr_max``, the last one ``lr_end``. Equal rates and no
    warm-up give a constant rate.

    Sources: warm-up, Goyal et al. 2017 (arXiv:1706.02677); cosine decay without restarts, Loshchilov and Hutter 2017
    (arXiv:1608.03983).

    Args:
        epochs: Number of epochs, at least 1.
        steps_per_epoch: Steps per epoch, at least 1.
        warmup_epochs: Epochs of warm-up, 0..epochs-1.
        lr_start: Rate of the first step; unused without warm-up.
        lr_max: Rate after warm-up.
        lr_end: Rate of the last step.
    """
    warmup_steps = warmup_epochs * steps_per_epoch
    warmup = np.linspace(lr_start, lr_max, warmup_steps, endpoint=False)
    phase = np.linspace(0.0, np.pi, epochs * steps_per_epoch - warmup_steps)
    decay = lr_end + (lr_max - lr_end) * (1.0 + np.cos(phase)) / 2.0
    schedule: NDArray[np.float32] = np.concatenate([warmup, decay]).astype(np.float32)
    return schedule


@dataclass
class Training:
    """How far a training has come.

    Attributes:
        history: The epochs so far.
        best_parameters: The network's parameters after the best epoch.
        watched: What was watched after each epoch, for people to see; empty when nothing is.
    """

    history: list[Epoch] = field(default_factory=list)
    best_parameters: Arrays = field(default_factory=dict)
    watched: list[float] = field(default_factory=list)

    @property
    def best(self) -> Epoch:
        """The epoch with the lowest validation loss, the first of equals; the last one when nothing judges the epochs."""
        judged = [row for row in self.history if not math.isnan(row.val_loss)]
        return min(judged, key=lambda row: row.val_loss) if judged else self.history[-1]

    def is_over(self, patience: int) -> bool:
        """Return whether the last ``patience`` epochs did not improve the validation loss."""
        return bool(self.history) and self.history[-1].epoch - self.best.epoch >= patience


def _ignore_epoch(row: Epoch) -> None:
    """Do nothing."""


def fit(
    step: Step,
    plan: Plan,
    batches: Callable[[int], Iterable[Batch]],
    evaluate: Callable[[], tuple[float, float]] | None,
    checkpoints: Checkpoints | None,
    *,
    progress: Progress = ignore_progress,
    watch: Watch | None = None,
    on_epoch: Callable[[Epoch], None] = _ignore_epoch,
) -> Training:
    """Train until the plan is done or patience is at its end, and leave the network with its best parameters.

    A training that was killed goes on from its newest checkpoint and ends with the same parameters and history, bit for bit.

    Args:
        step: Updates the network by one batch. The network must not draw random numbers itself: a resumed training would draw
            others (``Batches`` has a dropout that does not).
        plan: How long to train.
        batches: Returns the batches of an epoch, numbered from 1; the same ones whenever it is asked.
        evaluate: Returns the network's loss and top-1 on the validation rows; None trains for all epochs of the plan.
        checkpoints: Where the way back is kept; None keeps none.
        progress: Called every few steps.
        watch: Returns a figure to be kept for people, such as the accuracy on test; it has no influence on the training.
        on_epoch: Called after every epoch, not for those that a checkpoint brings back.

    Raises:
        PipelineError: The loss is no longer a number.
    """
    training = _resume(step, checkpoints) if checkpoints else Training()
    for epoch in range(len(training.history) + 1, plan.epochs + 1):
        if training.is_over(plan.patience):
            logger.info("Stopped after epoch %d: no better validation loss since epoch %d.", epoch - 1, training.best.epoch)
            break
        lr = float(plan.schedule[epoch * plan.steps_per_epoch - 1])
        row = Epoch(
            epoch, lr, *_train(step, plan, batches(epoch), training, progress), *(evaluate() if evaluate else _UNJUDGED)
        )
        _require_finite(row.epoch, row.train_loss, *([row.val_loss] if evaluate else []))
        training.history.append(row)
        if training.best is row:
            training.best_parameters = step.parameters()
        if watch:
            training.watched.append(watch(row))
        if checkpoints and checkpoints.is_due(epoch):
            checkpoints.save(epoch, _to_arrays(step, training))
        on_epoch(row)
    step.assign(training.best_parameters)
    total = plan.epochs * plan.steps_per_epoch
    progress(total, total, f"best epoch {training.best.epoch} of {len(training.history)}")
    return training


def _train(step: Step, plan: Plan, batches: Iterable[Batch], training: Training, progress: Progress) -> tuple[float, float]:
    """Train one epoch; return mean loss and top-1 over its batches."""
    done = len(training.history) * plan.steps_per_epoch
    text = f"epoch {len(training.history) + 1}/{plan.epochs}"
    if training.history:
        text += f", validation top-1 {training.history[-1].val_top1:.3f}"
    losses, correct, rows = [], 0, 0
    for number, (inputs, labels) in enumerate(batches):
        if number % PROGRESS_STEPS == 0:
            progress(done + number, plan.epochs * plan.steps_per_epoch, text)
        loss, hits = step(inputs, labels)
        losses.append(loss)
        correct += hits
        rows += len(labels)
    return float(np.mean(losses)), correct / rows


def _require_finite(epoch: int, *losses: float) -> None:
    if not np.isfinite(losses).all():
        raise PipelineError(
            f"Training diverged: the loss of epoch {epoch} is not a finite number; lower the learning rate (lr_max)"
        )


def _to_arrays(step: Step, training: Training) -> Arrays:
    """Return all that a resumed training needs, under names of three kinds."""
    arrays = {f"step.{name}": array for name, array in step.state().items()}
    arrays |= {f"best.{name}": array for name, array in training.best_parameters.items()}
    if training.watched:
        arrays["watched"] = np.array(training.watched, np.float64)
    return arrays | {"history": np.array(training.history, np.float64)}


def _resume(step: Step, checkpoints: Checkpoints) -> Training:
    """Set the step's state to that of the newest checkpoint and return how far it had come."""
    arrays = checkpoints.newest()
    if arrays is None:
        return Training()
    step.restore(_under("step.", arrays))
    history = [Epoch(int(row[0]), *row[1:]) for row in arrays["history"].tolist()]
    logger.info("Resumed after epoch %d.", len(history))
    watched = arrays["watched"].tolist() if "watched" in arrays else []
    return Training(history, _under("best.", arrays), watched)


def _under(prefix: str, arrays: Arrays) -> Arrays:
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
