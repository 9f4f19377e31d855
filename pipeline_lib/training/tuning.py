"""Tuning: the part of the backbone behind a cut is trained together with the head, from the finished head on.

First the head alone, then both (LP-FT: Kumar et al. 2022, arXiv:2202.10054), with learning rates that fall with the depth
(Howard and Ruder 2018, arXiv:1801.06146), batch norms folded, and all parameters drawn towards their start. What is kept is
a mean of start and end (WiSE-FT: Wortsman et al. 2022, arXiv:2109.01903), whose weights the validation part chooses.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mindspore import Tensor, nn
from numpy.typing import NDArray

from pipeline_lib.evaluation.calibration import Calibration
from pipeline_lib.evaluation.out_of_fold import OutOfFold
from pipeline_lib.models.architecture import Architecture
from pipeline_lib.models.backbone import load_backbone, new_backbone, read_spec
from pipeline_lib.models.classifier import Classifier
from pipeline_lib.models.cut import Tail, position
from pipeline_lib.models.depths import Stretch
from pipeline_lib.models.files import BACKBONE, CHECKPOINT, SPEC
from pipeline_lib.models.graph import graph_mode
from pipeline_lib.models.heads import HeadSpec, write_head
from pipeline_lib.models.layers import fold_batch_norms, unfolded_parameters
from pipeline_lib.models.outputs import logits_of_rows
from pipeline_lib.models.parameters import assign, parameters_of, set_parameters, write_parameters
from pipeline_lib.models.tuned import TunedNetwork
from pipeline_lib.progress import Progress, ignore_progress
from pipeline_lib.settings.sections import TrainingSettings, TrainSettings, TuneSettings
from pipeline_lib.training.batches import Validation
from pipeline_lib.training.checkpoints import Arrays
from pipeline_lib.training.cross_validation import cross_validated
from pipeline_lib.training.folds import Fold, cut_folds
from pipeline_lib.training.head import head_trainer, one_thread
from pipeline_lib.training.loop import Step
from pipeline_lib.training.rows import FeatureTable, Part, Rows, Subset, TooFewSourcesError
from pipeline_lib.training.steps import NetworkStep
from pipeline_lib.training.trainer import (
    CHECKPOINTS,
    REFIT,
    Fitted,
    Trained,
    Trainer,
    summary_of,
    write_tables,
)
from pipeline_lib.views.view import CLEAN

logger = logging.getLogger(__name__)


class Table(NamedTuple):
    """What tuning reads: two tables of the same rows.

    Attributes:
        features: Of the whole backbone, which the head is trained on first.
        activations: What the frozen part gives.
    """

    features: FeatureTable
    activations: FeatureTable


@dataclass(frozen=True)
class Tuned:
    """A network that has been tuned.

    Attributes:
        fitted: The network, a ``TunedNetwork``; what was learned about the epochs when the validation part judged them.
        share: Of the way from the start to the tuned parameters, 0..1.
        calibration: That of the network which the validation part has judged.
        rows: Which rows trained and which judged.
        settings: Of the training whose epochs they judged.
    """

    fitted: Fitted
    share: float
    calibration: Calibration
    rows: Rows
    settings: TrainingSettings


@dataclass(frozen=True)
class Tuning:
    """How networks of one kind are tuned.

    Attributes:
        backbone: Folder of the backbone.
        architecture: Of this architecture.
        classes: Names of the classes by label.
        sources: The source of an image by its key: those of one source stay on one side of every cut.
        train: How the head is trained before.
        tune: How both are trained then.
        seed: Seed of the head's first weights and of the order of the rows.
    """

    backbone: Path
    architecture: Architecture
    classes: Sequence[str]
    sources: Mapping[str, Hashable]
    train: TrainSettings
    tune: TuneSettings
    seed: int

    def run(self, table: Table, folder: Path | None, progress: Progress = ignore_progress) -> Tuned:
        """Tune on all rows of a table and return the network that is to be used.

        The validation part chooses epoch, share and temperature. With ``tune.refit`` a network is then tuned anew on all
        rows, from a head that has seen all of them, for as many epochs; it gets that share and that temperature.

        Args:
            table: What to train on.
            folder: Where checkpoints go; None keeps none.
            progress: Called every few steps.

        Raises:
            PipelineError: No image can be held out for validation, or training diverged.
        """
        rows = self._rows(table.activations)
        trainer = self._trainer(table, rows, folder, progress, refit=False)
        with graph_mode():
            judged = trainer.fitted(CHECKPOINTS, rows.train, self.tune.epochs, rows.validation)
            share = self._best_share(judged.step, trainer, rows)
            calibration = trainer.calibrated_by_validation(judged)
            if not self.tune.refit:
                return Tuned(judged, share, calibration, rows, self.tune)
            trainer = self._trainer(table, rows, folder, progress, refit=True)
            again = trainer.fitted(REFIT, rows.in_use, judged.training.best.epoch)
            again.step.assign(between(parameters_of(trainer.build()), again.step.parameters(), share))
        return Tuned(replace(again, training=judged.training, plan=judged.plan), share, calibration, rows, self.tune)

    def _rows(self, table: FeatureTable) -> Rows:
        """Return the rows to train and to validate on: a fold by source, which is like the rest.

        The last images of each class, by which a head's epochs are judged, may be of another kind than those before; they
        would call every step away from the start a loss.
        """
        folds = cut_folds(table, self.sources, max(2, round(1 / self.tune.val_share)))
        if not folds:
            raise TooFewSourcesError("No source of photographs can be held out for validation; add images that differ")
        held_out = set(table.images[folds[0].held_out].tolist())
        part_of: dict[str, Part] = {
            image: "validation" if image in held_out else "train" for image in sorted(set(table.images.tolist()))
        }
        in_use = np.flatnonzero((table.views == CLEAN.name) | (self.train.views == "all"))
        train, validation = (np.intersect1d(rows, in_use) for rows in folds[0])
        return Rows(train, validation, in_use, part_of, self.sources)

    def network(self, head: Classifier) -> tuple[nn.Cell, TunedNetwork]:
        """Return a new backbone, its batch norms folded, and the network that is made of its tail and a copy of a head."""
        backbone, spec = load_backbone(self.backbone, self.architecture)
        fold_batch_norms(backbone)
        cut = position(self.architecture, self.tune.freeze)
        tail = Tail(backbone, self.architecture, spec.depths, cut, _shape(backbone, self.architecture, cut, spec.image_size))
        hidden = self.train.hidden
        copy = Classifier(tail.width, len(self.classes), hidden, noise_aware=head.noise_aware)
        set_parameters(copy, parameters_of(head))
        return backbone, TunedNetwork(tail, copy)

    def _trainer(self, table: Table, rows: Rows, folder: Path | None, progress: Progress, *, refit: bool) -> Trainer:
        """Return what tunes from a head that was trained on ``rows.train``, or on all rows."""
        seen = rows.in_use if refit else rows.train
        with one_thread():
            learned = Subset(table.features, seen)
            head = head_trainer(None, learned, self.classes, self.sources, self.train, self.seed, progress).fit().network
        step = partial(
            NetworkStep,
            classes=len(self.classes),
            factor=_factor(self.tune.rate_decay, len(self.architecture.blocks) - position(self.architecture, self.tune.freeze)),
            to_start=self.tune.to_start,
            batch=self.tune.batch,
        )

        def build() -> nn.Cell:
            return self.network(head)[1]

        return Trainer(
            folder, table.activations, self.classes, rows, self.tune, self.seed, build, step, redraw=True, progress=progress
        )

    def _best_share(self, step: Step, trainer: Trainer, rows: Rows) -> float:
        """Give the network the mean of start and end that has the least validation loss, and return its share."""
        start, end = parameters_of(trainer.build()), step.parameters()
        judge = Validation(step.logits, trainer.table.take, rows.validation, trainer.table.labels[rows.validation])
        losses = []
        for share in self.tune.shares:
            step.assign(between(start, end, share))
            losses.append(judge()[0])
        judged = ", ".join(f"{share:g}: {loss:.4f}" for share, loss in zip(self.tune.shares, losses, strict=True))
        logger.info("Validation loss by share of the tuned parameters: %s.", judged)
        best = self.tune.shares[int(np.argmin(losses))]
        step.assign(between(start, end, best))
        return best


def predict_tuned_out_of_fold(
    tuning: Tuning, table: Table, folds: int, folder: Path, progress: Progress = ignore_progress
) -> OutOfFold:
    """Tune for each fold on the other folds, as ``predict_out_of_fold`` trains heads; see there.

    Args:
        tuning: How to tune.
        table: All photographs in all views that are to be predicted.
        folds: Number of folds, at least 2.
        folder: Where checkpoints go, by which a killed cross-validation goes on; they are removed at its end.
        progress: Called every few steps.
    """

    def predict(fold: Fold, number: int, report: Progress) -> NDArray[np.float32]:
        seen = Table(Subset(table.features, fold.train), Subset(table.activations, fold.train))
        tuned = tuning.run(seen, folder / f"fold-{number}", report)
        with graph_mode():
            return logits_of_rows(tuned.fitted.step.logits, table.activations.take, fold.held_out)

    judged = cross_validated(table.activations, tuning.sources, folds, predict, progress)
    for left in folder.glob("fold-*"):
        shutil.rmtree(left)
    return judged


def write_tuned(folder: Path, tuning: Tuning, tuned: Tuned) -> dict[str, Any]:
    """Write a tuned network as ``train_head`` writes a head, and the backbone that belongs to it; return the figures.

    The folder receives what ``train_head`` writes, and ``backbone/`` with the checkpoint of the tuned backbone and its
    specification.
    """
    network = tuned.fitted.network
    backbone, rebuilt = tuning.network(network.classifier)
    set_parameters(rebuilt, parameters_of(network))
    spec = read_spec(tuning.backbone / SPEC)
    plain = new_backbone(tuning.architecture, spec.convention, spec.width)
    assign(plain, unfolded_parameters(backbone), "The tuned backbone", "report this as an error of the project")
    (folder / BACKBONE).mkdir(exist_ok=True)
    write_parameters(plain, folder / BACKBONE / CHECKPOINT)
    (folder / BACKBONE / SPEC).write_text(spec.model_dump_json(indent=2) + "\n", encoding="utf-8")
    trained = Trained(network, tuned.fitted.training, tuned.fitted.plan, tuned.calibration)
    arrays = parameters_of(rebuilt.classifier)
    description = HeadSpec(
        classes=tuple(tuning.classes),
        in_features=rebuilt.tail.width,
        hidden=tuning.train.hidden,
        noise_aware=rebuilt.classifier.noise_aware,
        temperature=tuned.calibration.temperature,
        best_epoch=trained.training.best.epoch,
        parameters=sum(array.size for array in arrays.values()),
    )
    write_head(folder, description, arrays)
    write_tables(folder, trained.training, tuned.rows)
    return {**summary_of(trained, tuned.rows, tuned.settings), "frozen": tuning.tune.freeze, "share": tuned.share}


def between(start: Arrays, end: Arrays, share: float) -> Arrays:
    """Return (1 - share) start + share end of all parameters."""
    return {name: np.float32(1 - share) * start[name] + np.float32(share) * end[name] for name in start}


def _shape(backbone: nn.Cell, architecture: Architecture, cut: int, size: int) -> tuple[int, int, int]:
    """Return the shape of the maps at a cut, (channels, height, width)."""
    maps, _ = Stretch(backbone, architecture, (), 0, cut).set_train(False)(Tensor(np.zeros((1, 3, size, size), np.float32)))
    _, channels, height, width = maps.shape
    return channels, height, width


def _factor(decay: float, parts: int) -> Callable[[str], float]:
    """Return the factor on a parameter's learning rate: 1 in the head, ``decay`` in the last of the tail's parts, and so on."""

    def factor(name: str) -> float:
        if not name.startswith("tail."):
            return 1.0
        return decay ** (parts - int(name.removeprefix("tail.stretch.parts.").split(".")[0]))

    return factor
