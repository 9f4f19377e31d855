"""The exported backbone: nobody computes features with it before they agree with MindSpore's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from networks import build
from PIL import Image

from pipeline_lib.errors import PipelineError
from pipeline_lib.models.architectures import ENTRIES, find_architecture
from pipeline_lib.weights import listing
from pipeline_lib.weights.export import compare_export, export_onnx


def make_backbone(folder: Path, seed: int, architecture: str = "mobilenetv2") -> Path:
    build(folder, architecture=architecture, image_size=32, seed=seed)
    export_onnx(folder, find_architecture(architecture).load())
    return folder


@pytest.fixture
def pictures() -> list[Image.Image]:
    pixels = np.random.default_rng(3).integers(0, 255, (5, 40, 40, 3), dtype=np.uint8)
    return [Image.fromarray(each) for each in pixels]


@pytest.mark.parametrize("architecture", [entry.name for entry in ENTRIES])
def test_an_export_is_compared_on_every_picture(tmp_path: Path, pictures: list[Image.Image], architecture: str) -> None:
    folder = make_backbone(tmp_path / "backbone", seed=1, architecture=architecture)
    summary = compare_export(folder, find_architecture(architecture).load(), pictures)
    assert summary["pictures_compared"] == len(pictures)
    assert 0 < summary["largest_difference"] < summary["allowed_difference"]


def test_the_export_of_another_network_is_refused(tmp_path: Path, pictures: list[Image.Image]) -> None:
    backbone, other = (make_backbone(tmp_path / f"backbone-{seed}", seed) for seed in (1, 2))
    (backbone / "backbone.onnx").write_bytes((other / "backbone.onnx").read_bytes())
    with pytest.raises(PipelineError, match="onnxruntime's features differ from MindSpore's by"):
        compare_export(backbone, find_architecture("mobilenetv2").load(), pictures)


def test_the_speed_of_a_backbone_is_measured_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SECONDS", 0.0)
    assert listing.images_per_second(find_architecture("mobilenetv2").load()) > 0
