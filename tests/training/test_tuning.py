"""Tuning trains head and tail together, survives a kill, and keeps as much of it as helps photographs that it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import build
from numpy.typing import NDArray
from scipy.special import softmax
from small_training import CLASSES, SETTINGS, MemoryTable

from pipeline_lib.data.embedded import sample_pictures
from pipeline_lib.evaluation.reliability import cross_entropy
from pipeline_lib.models.architectures import find_architecture
from pipeline_lib.models.backbone import load_backbone
from pipeline_lib.models.cut import FrozenPart, position
from pipeline_lib.models.layers import fold_batch_norms
from pipeline_lib.models.outputs import logits_of_rows
from pipeline_lib.models.parameters import parameters_of
from pipeline_lib.prediction.model import open_model
from pipeline_lib.settings.sections import TuneSettings
from pipeline_lib.training.head import head_trainer
from pipeline_lib.training.rows import Subset
from pipeline_lib.training.tuning import Table, Tuned, Tuning, predict_tuned_out_of_fold, write_tuned
from pipeline_lib.weights.export import export_onnx

HEAD = SETTINGS.model_copy(update={"dropout": 0.0})
TUNE = TuneSettings(freeze="blocks.15", epochs=4, optimizer="adam", lr_max=0.0002, batch=8, shares=(0.0, 1.0))


class Stored(MemoryTable):
    """The rows of a memory table with other numbers."""

    def __init__(self, features: NDArray[np.float32], images: int) -> None:
        super().__init__(images, ("clean",))
        self.features, self.width = features, features.shape[1]


@pytest.fixture(scope="module")
def tuning(tmp_path_factory: pytest.TempPathFactory) -> Tuning:
    folder = tmp_path_factory.mktemp("backbone")
    build(folder, noise_aware=False)
    return Tuning(folder, find_architecture("mobilenetv2").load(), CLASSES, {}, HEAD, TUNE, 1)


@pytest.fixture(scope="module")
def table(tuning: Tuning) -> Table:
    """Twenty-four pictures of the sample: what the frozen part and the whole backbone say of them."""
    network, spec = load_backbone(tuning.backbone, tuning.architecture)
    fold_batch_norms(network)
    pictures = [spec.preprocessing.prepare(picture).array for picture in sample_pictures(24)]
    images = np.stack(pictures)
    rows = {}
    for name, cut in (("activations", position(tuning.architecture, TUNE.freeze)), ("features", None)):
        rows[name] = outputs_of(network, tuning, spec.depths, cut, images)
    return Table(Stored(rows["features"], 8), Stored(rows["activations"], 8))


def outputs_of(network: Any, tuning: Tuning, depths: Any, cut: int | None, images: NDArray[np.float32]) -> NDArray[Any]:
    from mindspore import Tensor

    from pipeline_lib.models.depths import PooledBackbone

    part = PooledBackbone(network, tuning.architecture, depths)
    if cut is not None:
        part = FrozenPart(network, tuning.architecture, depths, cut)
    outputs: NDArray[Any] = part.set_train(False)(Tensor(images)).asnumpy().astype(np.float32)
    return outputs


@pytest.fixture(scope="module")
def tuned(tuning: Tuning, table: Table, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    return tuning.run(table, tmp_path_factory.mktemp("tuned"))


def logits(tuned: Tuned, table: Table) -> NDArray[np.float32]:
    return logits_of_rows(tuned.fitted.step.logits, table.activations.take, np.arange(len(table.activations)))


def head_of(tuning: Tuning, table: Table) -> Any:
    """The head that a tuning without a refit begins with."""
    rows = tuning._rows(table.activations)
    return head_trainer(None, Subset(table.features, rows.train), CLASSES, {}, HEAD, 1).fit().network


def with_tune(tuning: Tuning, **changes: Any) -> Tuning:
    from dataclasses import replace

    return replace(tuning, tune=tuning.tune.model_copy(update=changes))


def test_head_and_tail_move_from_the_finished_head_and_the_loss_falls(tuning: Tuning, table: Table) -> None:
    whole = with_tune(tuning, shares=(1.0,), to_start=0.0).run(table, None)
    head = head_trainer(None, table.features, CLASSES, {}, HEAD, 1).fit()
    start, labels = parameters_of(tuning.network(head.network)[1]), table.features.labels
    moved = {name for name, value in parameters_of(whole.fitted.network).items() if not np.array_equal(value, start[name])}
    assert moved == set(start)
    before = logits_of_rows(head.step.logits, table.features.take, np.arange(len(labels)))
    assert cross_entropy(logits(whole, table), labels) < 0.8 * cross_entropy(before, labels)


def test_learning_rates_fall_with_the_depth(tuning: Tuning, table: Table) -> None:
    """A step of momentum from rest is the rate times the gradient, and the gradient is that of equal rates."""
    moved = {}
    for decay in (1.0, 0.5):
        changed = {"rate_decay": decay, "optimizer": "momentum", "lr_max": 1e-5, "lr_end": 1e-5, "lr_start": 1e-5}
        once = with_tune(tuning, **changed, epochs=1, warmup_epochs=0, batch=24, to_start=0.0, shares=(1.0,), refit=False)
        start = once.network(head_of(once, table))[1]
        after = parameters_of(once.run(table, None).fitted.network)
        moved[decay] = {name: value - parameters_of(start)[name] for name, value in after.items()}
    for name, step in moved[1.0].items():
        parts_to_the_head = 2 - int(name.split(".")[3]) if name.startswith("tail.") else 0  # the tail is blocks.16 and last
        factor = 0.5**parts_to_the_head
        largest = np.abs(step).max()
        np.testing.assert_allclose(moved[0.5][name], factor * step, atol=0.05 * largest + 1e-9)


def test_nothing_of_the_tuning_leaves_what_the_head_says(tuning: Tuning, table: Table) -> None:
    none = with_tune(tuning, shares=(0.0,)).run(table, None)
    head = head_trainer(None, table.features, CLASSES, {}, HEAD, 1).fit()
    expected = logits_of_rows(head.step.logits, table.features.take, np.arange(len(table.features)))
    np.testing.assert_allclose(softmax(logits(none, table), axis=1), softmax(expected, axis=1), atol=0.02)


def test_the_share_is_the_one_of_least_loss_on_sources_held_out(tuning: Tuning, table: Table) -> None:
    losses = {}
    for share in TUNE.shares:
        judged = with_tune(tuning, shares=(share,), refit=False).run(table, None)
        rows = judged.rows.validation
        losses[share] = cross_entropy(logits(judged, table)[rows], table.features.labels[rows])
        assert not set(judged.rows.train) & set(rows)
    assert with_tune(tuning, refit=False).run(table, None).share == min(losses, key=lambda share: losses[share])


def test_a_killed_tuning_goes_on_and_ends_with_the_same_bytes(
    tuning: Tuning, table: Table, tuned: Tuned, tmp_path: Path
) -> None:
    class Killed(BaseException):
        pass

    def kill(done: int, total: int, text: str) -> None:
        if text.startswith("epoch 3/4"):
            raise Killed

    with pytest.raises(Killed):
        tuning.run(table, tmp_path, kill)
    assert list((tmp_path / "checkpoints").iterdir())
    again = tuning.run(table, tmp_path)
    for name, value in parameters_of(tuned.fitted.network).items():
        assert np.array_equal(value, parameters_of(again.fitted.network)[name]), name
    assert again.calibration == tuned.calibration


def test_the_model_that_is_written_answers_as_the_network_did(
    tuning: Tuning, table: Table, tuned: Tuned, tmp_path: Path
) -> None:
    summary = write_tuned(tmp_path, tuning, tuned)
    assert (summary["frozen"], summary["share"]) == ("blocks.15", tuned.share)
    export_onnx(tmp_path / "backbone", tuning.architecture)
    model = open_model(tmp_path)
    answers = np.concatenate([model.answers([picture]).probabilities for picture in sample_pictures(24)])
    expected = softmax(logits(tuned, table).astype(float) / tuned.calibration.temperature, axis=1)
    np.testing.assert_allclose(answers, expected, atol=0.05)  # rows of half precision, pixels of single precision


def test_what_is_held_out_of_a_fold_has_no_part_in_its_network(tuning: Tuning, table: Table, tmp_path: Path) -> None:
    short = with_tune(tuning, epochs=2, warmup_epochs=1, refit=False)
    judged = predict_tuned_out_of_fold(short, table, 3, tmp_path)
    assert sorted(judged.predictions.images) == sorted(table.features.images)
    assert list(tmp_path.iterdir()) == []
    held_out = np.isin(table.features.images, judged.predictions.images[judged.folds == 1])
    seen = Table(*(Subset(each, np.flatnonzero(~held_out)) for each in table))
    alone = short.run(seen, None)
    expected = logits(alone, table)[held_out]
    of_fold = judged.predictions.logits[np.isin(judged.predictions.images, table.features.images[held_out])]
    np.testing.assert_allclose(of_fold, expected, atol=1e-5)
