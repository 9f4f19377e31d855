"""Distillation: noisy views come nearer to the clean photographs, by the first parts alone, and a head follows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import build
from numpy.typing import NDArray
from scipy.special import softmax
from small_training import CLASSES, SETTINGS, MemoryTable

from pipeline_lib.data.embedded import sample_pictures
from pipeline_lib.models.architectures import find_architecture
from pipeline_lib.models.backbone import load_backbone
from pipeline_lib.models.depths import PooledBackbone
from pipeline_lib.models.layers import fold_batch_norms
from pipeline_lib.models.outputs import logits_of_rows
from pipeline_lib.models.parameters import parameters_of
from pipeline_lib.prediction.model import open_model
from pipeline_lib.settings.sections import TuneSettings
from pipeline_lib.training.distillation import Distillation, DistillationStep, clean_features, tuning_of
from pipeline_lib.training.rows import Subset
from pipeline_lib.training.tuning import Table, Tuned, predict_tuned_out_of_fold, write_tuned
from pipeline_lib.weights.export import export_onnx

HEAD = SETTINGS.model_copy(update={"dropout": 0.0, "epochs": 3})
TUNE = TuneSettings(freeze="after:blocks.1", epochs=6, warmup_epochs=0, optimizer="adam", lr_max=0.001, batch=8)
PICTURES = 24


class Stored(MemoryTable):
    """The rows of a memory table, each picture clean and then noisy, with other numbers."""

    def __init__(self, features: NDArray[np.float32]) -> None:
        super().__init__(PICTURES // len(CLASSES))
        self.features, self.width = features, features.shape[1]


@pytest.fixture(scope="module")
def tuning(tmp_path_factory: pytest.TempPathFactory) -> Distillation:
    folder = tmp_path_factory.mktemp("backbone")
    build(folder, noise_aware=False)
    tuning = tuning_of(TUNE)(folder, find_architecture("mobilenetv2").load(), CLASSES, {}, HEAD, TUNE, 1)
    assert isinstance(tuning, Distillation)
    return tuning


@pytest.fixture(scope="module")
def table(tuning: Distillation) -> Table:
    """Pictures of the sample, and beside each a noisy view: as they are prepared, and the features of the backbone."""
    from mindspore import Tensor

    network, spec = load_backbone(tuning.backbone, tuning.architecture)
    fold_batch_norms(network)
    clean = np.stack([spec.preprocessing.prepare(picture).array for picture in sample_pictures(PICTURES)])
    noise = np.random.default_rng(1).normal(0.0, 0.3, clean.shape).astype(np.float32)
    images = np.concatenate([clean, clean + noise])
    features = PooledBackbone(network, tuning.architecture, spec.depths).set_train(False)(Tensor(images)).asnumpy()
    return Table(Stored(features), Stored(images.reshape(len(images), -1)))


@pytest.fixture(scope="module")
def tuned(tuning: Distillation, table: Table, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    return tuning.run(table, tmp_path_factory.mktemp("tuned"))


def logits(tuned: Tuned, table: Table) -> NDArray[np.float32]:
    return logits_of_rows(tuned.fitted.step.logits, table.activations.take, np.arange(len(table.activations)))


def distances(features: NDArray[np.float32], table: Table) -> NDArray[np.float32]:
    """How far the features of each noisy view are from those that the backbone gave its clean picture before."""
    targets, _ = clean_features(table.features)
    return np.linalg.norm((features[PICTURES:] - targets) / (targets.std(axis=0) + 1e-3), axis=1)


def test_noisy_views_that_it_has_not_seen_come_nearer_to_the_clean_pictures(tuning: Distillation, table: Table) -> None:
    pictures = np.arange(PICTURES)
    seen = pictures % 3 > 0
    rows = np.flatnonzero(np.tile(seen, 2))
    tuned = tuning.run(Table(*(Subset(each, rows) for each in table)), None)
    before = distances(table.features.take(np.arange(len(table.features))), table)
    assert isinstance(tuned.fitted.step, DistillationStep)
    after = distances(tuned.fitted.step.features(table.activations), table)
    assert np.median(after[~seen]) < 0.9 * np.median(before[~seen])


def test_the_first_parts_alone_change(tuning: Distillation, tuned: Tuned) -> None:
    start = parameters_of(tuning.network(tuned.fitted.network.classifier)[1])
    after = parameters_of(tuned.fitted.network)
    moved = {name.split(".")[3] for name, value in after.items() if not np.array_equal(value, start[name])}
    assert moved == {"0", "1", "2"}  # the stem, blocks.0 and blocks.1


def test_a_killed_distillation_goes_on_and_ends_with_the_same_bytes(
    tuning: Distillation, table: Table, tuned: Tuned, tmp_path: Path
) -> None:
    class Killed(BaseException):
        pass

    def kill(done: int, total: int, text: str) -> None:
        if text.startswith("epoch 4/6"):
            raise Killed

    with pytest.raises(Killed):
        tuning.run(table, tmp_path, kill)
    again = tuning.run(table, tmp_path)
    for name, value in parameters_of(tuned.fitted.network).items():
        assert np.array_equal(value, parameters_of(again.fitted.network)[name]), name


def test_the_model_that_is_written_answers_as_the_network_did(
    tuning: Distillation, table: Table, tuned: Tuned, tmp_path: Path
) -> None:
    summary = write_tuned(tmp_path, tuning, tuned)
    assert summary["frozen"] == "after:blocks.1"
    assert summary["parameters"] < 0.2 * sum(array.size for array in parameters_of(tuned.fitted.network).values())
    export_onnx(tmp_path / "backbone", tuning.architecture)
    model = open_model(tmp_path)
    answers = np.concatenate([model.answers([picture]).probabilities for picture in sample_pictures(PICTURES)])
    expected = softmax(logits(tuned, table)[:PICTURES].astype(float) / tuned.calibration.temperature, axis=1)
    np.testing.assert_allclose(answers, expected, atol=0.02)


def test_what_is_held_out_of_a_fold_has_no_part_in_its_network(tuning: Distillation, table: Table, tmp_path: Path) -> None:
    short = replace(tuning, tune=TUNE.model_copy(update={"epochs": 1}))
    judged = predict_tuned_out_of_fold(short, table, 2, tmp_path)
    assert list(tmp_path.iterdir()) == []
    held_out = np.isin(table.features.images, judged.predictions.images[judged.folds == 1])
    seen = Table(*(Subset(each, np.flatnonzero(~held_out)) for each in table))
    expected = logits(short.run(seen, None), table)[held_out]
    of_fold = judged.predictions.logits[np.isin(judged.predictions.images, table.features.images[held_out])]
    np.testing.assert_allclose(of_fold, expected, atol=1e-4)
