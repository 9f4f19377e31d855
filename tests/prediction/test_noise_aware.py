"""A noise-aware model outside of its run: what it says of a file is what the evaluation has of it."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from networks import build
from PIL import Image
from scipy.special import softmax
from small_training import CLASSES, SETTINGS
from support import PROJECT, kept

from pipeline_lib.data.embedded import sample_pictures
from pipeline_lib.errors import PipelineError
from pipeline_lib.features.engine import Engine
from pipeline_lib.features.shards import write_shard
from pipeline_lib.features.table import FeatureSet, Row
from pipeline_lib.models.architectures import find_architecture
from pipeline_lib.models.heads import load_head
from pipeline_lib.models.outputs import logits_of_table
from pipeline_lib.prediction.model import open_model
from pipeline_lib.prediction.predict import predict_paths, write_csv
from pipeline_lib.training.head import keep_backbone, train_head
from pipeline_lib.weights.export import export_onnx


def write_pictures(folder: Path) -> list[tuple[Row, Path]]:
    """Pictures of three classes, every other one with noise."""
    rows = []
    for number, picture in enumerate(sample_pictures(18)):
        pixels = np.asarray(picture.resize((64, 64))).astype(float)
        pixels += np.random.default_rng(number).normal(0, 30 * (number % 2), pixels.shape)
        label, path = CLASSES[number % 3], folder / f"{number:02}.png"
        Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)).save(path)
        rows.append((Row(f"train/{label}/{path.name}", f"sha{number}", label, "clean", f"sha{number}"), path))
    return sorted(rows, key=lambda row: row[0].image)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Row, Path]]:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Row, Path]]) -> Path:
    """The folder of a run's results: backbone, shard and model."""
    root = tmp_path_factory.mktemp("run")
    build(root / "backbone")
    export_onnx(root / "backbone", find_architecture("mobilenetv2").load())
    (root / "shard").mkdir()
    write_shard(root / "shard", rows, Engine(root / "backbone", 2))
    train_head(root / "model", FeatureSet([root / "shard"], CLASSES), CLASSES, {}, SETTINGS, 1)
    keep_backbone(root / "model", kept(root / "backbone"))
    return root


def test_a_file_is_predicted_as_it_is_evaluated(trained: Path, rows: list[tuple[Row, Path]]) -> None:
    head = load_head(trained / "model")
    logits = logits_of_table(head.logits, FeatureSet([trained / "shard"], CLASSES))
    evaluated = softmax(logits / head.spec.temperature, axis=1)
    predicted = predict_paths([path for _, path in rows], trained / "model", top=3)
    for row, probabilities in zip(predicted, evaluated, strict=True):
        assert dict(row["top"]) == pytest.approx(dict(zip(CLASSES, probabilities, strict=True)), abs=2e-3)


def test_a_prediction_needs_no_mindspore(trained: Path, rows: list[tuple[Row, Path]]) -> None:
    """Loading MindSpore takes longer than all the rest."""
    program = (
        "import sys; from pathlib import Path; from pipeline_lib.prediction.predict import predict_paths; "
        "print(len(predict_paths([Path(sys.argv[1])], Path(sys.argv[2]), 3)), 'mindspore' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(rows[0][1]), str(trained / "model")]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT)
    assert finished.stdout.split() == ["1", "False"]


def test_the_noise_that_is_shown_is_what_the_shard_has(trained: Path, rows: list[tuple[Row, Path]], tmp_path: Path) -> None:
    predicted = predict_paths([path for _, path in rows], trained / "model", top=1)
    with (trained / "shard" / "index.csv").open() as file:
        assert [row["noise"] for row in predicted] == [float(row["noise"]) for row in csv.DictReader(file)]
    assert max(row["noise"] for row in predicted) > 15
    write_csv(tmp_path / "predictions.csv", predicted)
    with (tmp_path / "predictions.csv").open() as file:
        assert [float(row["noise"]) for row in csv.DictReader(file)] == [row["noise"] for row in predicted]


def test_a_backbone_that_leaves_the_noise_alone_is_no_part_of_the_model(trained: Path, tmp_path: Path) -> None:
    build(tmp_path / "other", noise_aware=False)
    export_onnx(tmp_path / "other", find_architecture("mobilenetv2").load())
    for name in ("head.npz", "head.json"):
        (tmp_path / name).write_bytes((trained / "model" / name).read_bytes())
    keep_backbone(tmp_path, kept(tmp_path / "other"))
    with pytest.raises(
        PipelineError, match="takes 1808 features and the noise, but the backbone beside it gives 1808 features;"
    ):
        open_model(tmp_path)
