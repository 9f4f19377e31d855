"""The exported backbone: nobody computes features with it before they agree with MindSpore's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline_lib.errors import PipelineError
from pipeline_lib.weights.convert import build_backbone
from pipeline_lib.weights.export import compare_export, export_onnx


def make_backbone(folder: Path, seed: int) -> Path:
    folder.mkdir()
    build_backbone(folder, "random", width=0.35, image_size=32, seed=seed, cache=folder)
    export_onnx(folder)
    return folder


@pytest.fixture
def pictures() -> list[Image.Image]:
    pixels = np.random.default_rng(3).integers(0, 255, (5, 40, 40, 3), dtype=np.uint8)
    return [Image.fromarray(each) for each in pixels]


def test_an_export_is_compared_on_every_picture(tmp_path: Path, pictures: list[Image.Image]) -> None:
    summary = compare_export(make_backbone(tmp_path / "backbone", seed=1), pictures)
    assert summary["pictures_compared"] == len(pictures)
    assert 0 < summary["largest_difference"] < summary["allowed_difference"]


def test_the_export_of_another_network_is_refused(tmp_path: Path, pictures: list[Image.Image]) -> None:
    backbone, other = (make_backbone(tmp_path / f"backbone-{seed}", seed) for seed in (1, 2))
    (backbone / "backbone.onnx").write_bytes((other / "backbone.onnx").read_bytes())
    with pytest.raises(PipelineError, match="onnxruntime's features differ from MindSpore's by"):
        compare_export(backbone, pictures)
