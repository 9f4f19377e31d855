"""LeNet-5 is trained as promised: validation chooses, test is only watched, a killed training ends the same."""

from __future__ import annotations

import csv
import json
import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline_lib.errors import PipelineError
from pipeline_lib.evaluation.calibration import calibrate
from pipeline_lib.evaluation.reliability import cross_entropy
from pipeline_lib.mnist.arrays import Split
from pipeline_lib.mnist.table import PixelTable
from pipeline_lib.models.inference import Predictor
from pipeline_lib.models.networks import load_network
from pipeline_lib.models.outputs import logits_of_table
from pipeline_lib.prediction.model import open_model
from pipeline_lib.settings.sections import NetworkSettings, NetworkTrainSettings
from pipeline_lib.training.folds import FOLDS
from pipeline_lib.training.network import train_network

CLASSES = ("bar", "dot", "ring")
SETTINGS = NetworkTrainSettings(epochs=6, batch=8, val_share=0.2, patience=6)


def shapes(split: str, count: int, seed: int) -> Split:
    """Grey images of three shapes at random places, in noise that leaves some doubt."""
    random, images, keys = np.random.default_rng(seed), [], []
    y, x = np.mgrid[:28, :28]
    for label, name in enumerate(CLASSES):
        for number in range(count):
            top, left = random.uniform(8, 20, 2)
            distance = np.hypot(y - top, x - left)
            shape = (np.abs(x - left) < 2, distance < 4, np.abs(distance - 6) < 1.5)[label]
            images.append(np.clip(180 * shape + random.normal(0, 60, (28, 28)), 0, 255).astype(np.uint8))
            keys.append(f"{split}/{name}/{number:02}")
    return Split(np.stack(images), np.repeat(np.arange(3), count), keys)


TRAIN, TEST = shapes("train", 40, 1), shapes("test", 10, 2)


def train(folder: Path, settings: NetworkTrainSettings = SETTINGS, seed: int = 1, test: Split = TEST, **options: Any) -> Any:
    return train_network(folder, TRAIN, test, CLASSES, NetworkSettings(), settings, seed, **options)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training, not to be changed."""
    folder = tmp_path_factory.mktemp("network")
    shown: list[str] = []
    summary = train(folder, say=shown.append)
    (folder / "shown.json").write_text(json.dumps({"summary": summary, "lines": shown}))
    return folder


def contents(folder: Path, *without: str) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in {"shown.json", *without})
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_folder_holds_the_network_its_history_and_its_checkpoints(trained: Path) -> None:
    checkpoints = {f"checkpoints/epoch-{epoch:03}.ckpt" for epoch in range(1, 7)}
    assert set(contents(trained)) == {"network.ckpt", "network.json", "history.csv", "holdout.csv"} | checkpoints
    columns = ["epoch", "lr", "train_loss", "train_top1", "val_loss", "val_top1", "test_top1"]
    assert [list(row) for row in history(trained)] == [columns] * 6


def test_the_network_is_that_of_the_epoch_with_the_lowest_validation_loss(trained: Path) -> None:
    network, spec = load_network(trained)
    table = PixelTable(TRAIN, spec.preprocessing)
    with (trained / "holdout.csv").open(newline="") as file:
        held_out = [row["image"] for row in csv.DictReader(file) if row["part"] == "validation"]
    assert held_out == [f"train/{name}/{number}" for name in CLASSES for number in range(32, 40)]
    rows = np.isin(table.images, held_out)
    logits = logits_of_table(Predictor(network).outputs, table)[rows]
    best = min(history(trained), key=lambda row: float(row["val_loss"]))
    assert spec.best_epoch == int(best["epoch"])
    assert cross_entropy(logits, table.labels[rows]) == pytest.approx(float(best["val_loss"]), rel=1e-3)
    expected = calibrate(logits, table.labels[rows], np.arange(rows.sum()) % FOLDS)
    assert spec.temperature == pytest.approx(expected.temperature, abs=1e-3)
    assert float(best["val_top1"]) > 0.8


def test_after_each_epoch_a_line_says_loss_and_both_accuracies(trained: Path) -> None:
    lines = json.loads((trained / "shown.json").read_text())["lines"]
    found = [re.fullmatch(r"epoch (\d)/6  loss (.+)  train accuracy (.+)  test accuracy (.+)", line) for line in lines]
    shown = [[float(number) for number in match.groups()] for match in found if match]
    columns = ("epoch", "train_loss", "train_top1", "test_top1")
    expected = [[round(float(row[column]), 4) for column in columns] for row in history(trained)]
    assert shown == [pytest.approx(row, abs=1e-4) for row in expected]


def test_the_last_accuracy_on_test_that_was_shown_is_that_of_the_network(tmp_path: Path) -> None:
    train(tmp_path, SETTINGS.model_copy(update={"epochs": 1}))
    network, spec = load_network(tmp_path)
    table = PixelTable(TEST, spec.preprocessing)
    top1 = (logits_of_table(Predictor(network).outputs, table).argmax(axis=1) == table.labels).mean()
    assert float(history(tmp_path)[0]["test_top1"]) == pytest.approx(top1, abs=1e-6)


def test_the_test_split_has_no_influence_on_the_network(trained: Path, tmp_path: Path) -> None:
    wrong = replace(TEST, labels=(TEST.labels + 1) % 3)
    train(tmp_path, test=wrong)
    kept = contents(tmp_path, "history.csv")
    assert {name: kept[name] for name in ("network.ckpt", "network.json", "holdout.csv")} == {
        name: contents(trained)[name] for name in ("network.ckpt", "network.json", "holdout.csv")
    }
    ours, theirs = history(tmp_path), history(trained)
    assert [row.pop("test_top1") for row in ours] != [row.pop("test_top1") for row in theirs]
    assert ours == theirs


def test_a_second_training_writes_the_same_bytes_and_another_seed_does_not(trained: Path, tmp_path: Path) -> None:
    train(tmp_path / "same")
    train(tmp_path / "other", seed=2)
    assert contents(tmp_path / "same") == contents(trained)
    assert contents(tmp_path / "other")["network.ckpt"] != contents(trained)["network.ckpt"]


def test_a_training_stopped_twice_goes_on_and_ends_with_the_same_bytes(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def stop_after(epoch: int) -> Any:
        def say(line: str) -> None:
            if line.startswith(f"epoch {epoch}/"):
                raise KeyboardInterrupt  # before the checkpoint of this epoch

        return say

    for epoch in (2, 5):
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, say=stop_after(epoch))
    shown: list[str] = []
    with caplog.at_level(logging.INFO, logger="pipeline_lib"):
        train(tmp_path, say=shown.append)
    assert "Resumed after epoch 4" in caplog.text
    assert [line[:9] for line in shown] == ["epoch 5/6", "epoch 6/6"]
    assert contents(tmp_path) == contents(trained)


def test_early_stopping_and_adam_follow_the_settings(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"optimizer": "adam", "lr_max": 0.002, "epochs": 30, "patience": 1})
    summary = train(tmp_path, settings)
    losses = [float(row["val_loss"]) for row in history(tmp_path)]
    assert summary["stopped_early"]
    assert summary["best_epoch"] == len(losses) - 1 == losses.index(min(losses)) + 1


def test_a_model_predicts_as_the_network_computes(trained: Path) -> None:
    from PIL import Image

    model = open_model(trained)
    network, spec = load_network(trained)
    images = [Image.fromarray(pixels).convert("RGB") for pixels in TEST.images[:4]]
    logits = logits_of_table(Predictor(network).outputs, PixelTable(TEST, spec.preprocessing))[:4] / spec.temperature
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.answers(images).probabilities, expected, rtol=1e-4, atol=1e-6)
    large = [image.resize((84, 84), Image.Resampling.NEAREST) for image in images]
    assert model.answers(large).probabilities.argmax(axis=1).tolist() == expected.argmax(axis=1).tolist()
    assert model.answers(images).noise == [None] * 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["a", "b"]}, "output.weight has shape"),
        ({"form": "other"}, "network.json is damaged"),
        ({"preprocessing": {"size": 28, "channels": "RGB"}}, "network.json is damaged"),
        ({"preprocessing": {"size": 64}}, "network.json is damaged: preprocessing: LeNet-5 takes images of 28 x 28"),
        *[
            ({"preprocessing": {"size": 28, "scale": value}}, "network.json is damaged: preprocessing.scale: Input should be")
            for value in (0.0, 1e-300, float("inf"), float("nan"))
        ],
        *[
            ({"temperature": value}, "network.json is damaged: temperature: Input should be")
            for value in (0.0, -1.0, 1e-300, 1e300, float("inf"), float("nan"))
        ],
        (None, "network.ckpt is missing"),
    ],
)
def test_a_model_that_is_not_whole_is_refused(
    trained: Path, tmp_path: Path, change: dict[str, Any] | None, message: str
) -> None:
    spec = json.loads((trained / "network.json").read_text())
    (tmp_path / "network.json").write_text(json.dumps(spec | (change or {})))
    if change is not None:
        (tmp_path / "network.ckpt").write_bytes((trained / "network.ckpt").read_bytes())
    with pytest.raises(PipelineError, match=message):
        open_model(tmp_path)


def test_a_refit_sees_all_images_and_is_calibrated_by_networks_that_did_not(tmp_path: Path) -> None:
    summary = train(tmp_path, SETTINGS.model_copy(update={"refit": True, "epochs": 2}))
    assert summary["held_out_images"] == len(TRAIN.keys)
    assert {path.name for path in tmp_path.glob("checkpoints-fold-*")} == {f"checkpoints-fold-{n}" for n in range(1, 6)}
    assert load_network(tmp_path)[1].temperature == summary["temperature"]
