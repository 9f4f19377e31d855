"""Distillation: the first parts of a backbone learn, without labels, to give a noisy view the features of the clean one.

A corruption of the input is best met where it enters, in the first blocks (surgical fine-tuning: Lee et al. 2023,
arXiv:2210.11466). The teacher is the backbone itself as it was, shown the clean photograph; what comes after those blocks stays
frozen. Then a head is trained as always, on the new features of all views.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from mindspore import Tensor, nn
from numpy.typing import NDArray

from pipeline_lib.models.classifier import Classifier
from pipeline_lib.models.cut import AFTER, trained_parts
from pipeline_lib.models.graph import graph_mode
from pipeline_lib.models.inference import Predictor
from pipeline_lib.models.outputs import logits_of_table, reads
from pipeline_lib.models.parameters import parameters_of, set_parameters
from pipeline_lib.models.tuned import TunedNetwork
from pipeline_lib.progress import Progress, ignore_progress
from pipeline_lib.settings.sections import TuneSettings
from pipeline_lib.training.batches import Batches
from pipeline_lib.training.checkpoints import Checkpoints
from pipeline_lib.training.head import head_trainer, one_thread
from pipeline_lib.training.loop import fit
from pipeline_lib.training.rows import FeatureTable, digest
from pipeline_lib.training.steps import GraphStep, Update, build_optimizer
from pipeline_lib.training.trainer import Fitted, plan_of
from pipeline_lib.training.tuning import Table, Tuned, Tuning
from pipeline_lib.views.view import CLEAN

CHECKPOINTS = "checkpoints-distilled"


class Distillation(Tuning):
    """Tuning of the first parts of a backbone alone, see the module; ``tune.freeze`` is `AFTER` and the last one of them.

    Of ``tune`` count optimiser, learning rates, weight decay, number of epochs and batch; nothing judges the epochs, for the
    loss has no labels to learn by heart.
    """

    def run(self, table: Table, folder: Path | None, progress: Progress = ignore_progress) -> Tuned:
        """Distil the first parts, and train a head on the features that the backbone gives then; see ``Tuning.run``.

        The table has a noisy view of an image at least. Memory holds the new features of all rows.

        Raises:
            PipelineError: No image can be held out, or training diverged.
        """
        features = table.features
        first = Classifier(
            features.width, len(self.classes), self.train.hidden, noise_aware=features.noise_aware, seed=self.seed
        )
        _, network = self.network(first)
        step = self._distilled(network, table, folder, progress)
        again = Recomputed(features, step.features(table.activations))
        trainer = head_trainer(folder, again, self.classes, self.sources, self.train, self.seed, progress)
        with one_thread():
            trained = trainer.train()
        set_parameters(network.classifier, parameters_of(trained.network))
        fitted = Fitted(network, step, trained.training, trained.plan)
        return Tuned(fitted, 1.0, trained.calibration, trainer.rows, self.train)

    def _distilled(self, network: TunedNetwork, table: Table, folder: Path | None, progress: Progress) -> DistillationStep:
        """Train the first parts of a network in place, and return what has trained it."""
        activations = table.activations
        rows = np.flatnonzero(activations.views != CLEAN.name)
        targets, target_of = clean_features(table.features)
        numbers = np.array([target_of[image] for image in activations.images[rows].tolist()], np.int32)
        batches = Batches(activations.take, rows, numbers, self.tune.batch, self.seed, images=activations.images[rows])
        plan = plan_of(self.tune, batches.per_epoch, self.tune.epochs)
        trained = trained_parts(self.architecture, self.tune.freeze)
        step = DistillationStep(network, trained, plan.schedule, self.tune, targets)
        with graph_mode():
            fit(step, plan, batches, None, self._checkpoints(folder, table), progress=progress)
        return step

    def _checkpoints(self, folder: Path | None, table: Table) -> Checkpoints | None:
        if folder is None:
            return None
        parts = [digest(table.activations), digest(table.features), self.tune.model_dump(), self.seed]
        fingerprint = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return Checkpoints(folder / CHECKPOINTS, fingerprint, self.tune.checkpoint_every, self.tune.keep_checkpoints)


class Recomputed:
    """A table whose features are other ones, in memory; see ``FeatureTable``.

    Args:
        table: Whose rows these are; the level of noise stays what it is.
        features: Of its rows, (n, width) float32.
    """

    def __init__(self, table: FeatureTable, features: NDArray[np.float32]) -> None:
        self.images, self.labels, self.views = table.images, table.labels, table.views
        self.width, self.noise_aware = table.width, table.noise_aware
        levels = [inputs[:, self.width :] for inputs in reads(table.take, np.arange(len(table)))]
        self._rows = np.hstack([features, np.concatenate(levels)])

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """See ``FeatureTable``."""
        return self._rows[indices]


class DistillationStep(GraphStep):
    """A ``Step`` (see ``training.loop``) that draws the features of a row to a target, whose number is the row's label.

    Args:
        network: Its tail is the whole backbone.
        trained: Numbers of the parts that are trained.
        schedule: Learning rate of every step, float32 (steps,).
        settings: Optimiser, momentum and weight decay.
        targets: Features of the clean photographs, float32 (n, width).
    """

    def __init__(
        self,
        network: TunedNetwork,
        trained: range,
        schedule: NDArray[np.float32],
        settings: TuneSettings,
        targets: NDArray[np.float32],
    ) -> None:
        self._targets, self._batch, self._tail = targets, settings.batch, _Features(network)
        for name, parameter in network.tail.parameters_and_names():
            parameter.requires_grad = _part(name) in trained
        optimizer = build_optimizer(network.tail, schedule, settings)
        super().__init__(network, Update(self._tail, _Distance(targets), optimizer), settings.batch)

    def __call__(self, inputs: NDArray[np.float32], labels: NDArray[np.int32]) -> tuple[float, int]:
        """Update the network by one batch; return the loss, and 0 for the rows that are right, for none is."""
        loss, _ = self._graph(Tensor.from_numpy(inputs), Tensor.from_numpy(self._targets[labels]))
        return float(loss.asnumpy()), 0

    def features(self, table: FeatureTable) -> NDArray[np.float32]:
        """Return the features (n, width) of all rows of a table of activations."""
        return logits_of_table(Predictor(self._tail, self._batch).outputs, table)


class _Features(nn.Cell):
    """A network without its classifier: rows in, features out."""

    def __init__(self, network: TunedNetwork) -> None:
        super().__init__()
        self.tail = network.tail
        self._noise_aware = network.classifier.noise_aware

    def construct(self, rows: Tensor) -> Tensor:
        return self.tail(rows[:, :-1] if self._noise_aware else rows)


class _Distance(nn.Cell):
    """Mean squared distance of features, each in units of its standard deviation over the targets."""

    def __init__(self, targets: NDArray[np.float32]) -> None:
        super().__init__()
        self._weights = Tensor((1.0 / (targets.std(axis=0) + 1e-3) ** 2).astype(np.float32))

    def construct(self, features: Tensor, targets: Tensor) -> Tensor:
        return (((features - targets) ** 2) * self._weights).mean()


def tuning_of(tune: TuneSettings) -> type[Tuning]:
    """Return the kind of tuning that settings ask for."""
    return Distillation if tune.freeze.startswith(AFTER) else Tuning


def clean_features(features: FeatureTable) -> tuple[NDArray[np.float32], dict[str, int]]:
    """Return the features of the clean photographs, (n, width), and the row there of each image by its key."""
    rows = np.flatnonzero(features.views == CLEAN.name)
    numbers = {image: number for number, image in enumerate(features.images[rows].tolist())}
    return features.take(rows)[:, : features.width], numbers


def _part(name: str) -> int:
    """Return the number of the part of a backbone that a parameter of its tail belongs to."""
    return int(name.split("parts.")[1].split(".")[0])
