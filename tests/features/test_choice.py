"""The choice of the engine: none computes features before they agree with MindSpore's."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline_lib.errors import PipelineError
from pipeline_lib.features.choice import choose_engine, read_choice
from pipeline_lib.models.pooled import export_onnx
from pipeline_lib.models.pretrained import build_backbone


@pytest.fixture
def photographs(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for number, path in enumerate(paths):
        pixels = np.random.default_rng(number).integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return paths


def make_backbone(folder: Path, seed: int) -> Path:
    folder.mkdir()
    build_backbone(folder, "random", width=0.35, image_size=32, seed=seed, cache=folder)
    export_onnx(folder)
    return folder


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    return make_backbone(tmp_path / "backbone", seed=1)


@pytest.mark.parametrize("wanted", ["auto", "onnxruntime"])
def test_onnxruntime_is_chosen_after_it_was_compared(backbone: Path, photographs: list[Path], tmp_path: Path, wanted) -> None:
    summary = choose_engine(tmp_path, backbone, photographs, wanted, batch=2)
    assert read_choice(tmp_path) == summary["engine"] == "onnxruntime"
    assert summary["photographs_compared"] == len(photographs)
    assert 0 < summary["largest_difference"] < summary["allowed_difference"]
    assert summary["onnxruntime_images_per_second"] > 0


def test_mindspore_needs_no_comparison(backbone: Path, photographs: list[Path], tmp_path: Path) -> None:
    (backbone / "backbone.onnx").unlink()
    assert choose_engine(tmp_path, backbone, photographs, "mindspore", batch=2) == {"engine": "mindspore"}
    assert read_choice(tmp_path) == "mindspore"


@pytest.mark.parametrize("wanted", ["auto", "onnxruntime"])
def test_an_export_that_differs_from_mindspore_is_an_error(
    backbone: Path, photographs: list[Path], tmp_path: Path, wanted
) -> None:
    other = make_backbone(tmp_path / "other", seed=2)
    (backbone / "backbone.onnx").write_bytes((other / "backbone.onnx").read_bytes())
    with pytest.raises(PipelineError, match=r"onnxruntime's features differ from MindSpore's by .*engine=mindspore"):
        choose_engine(tmp_path, backbone, photographs, wanted, batch=2)
    assert not (tmp_path / "engine.json").exists()


def test_without_onnxruntime_auto_is_mindspore_and_onnxruntime_an_error(
    backbone: Path, photographs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "onnxruntime" else found(name, *rest))
    assert choose_engine(tmp_path, backbone, photographs, "auto", batch=2) == {"engine": "mindspore"}
    with pytest.raises(PipelineError, match="onnxruntime is not installed"):
        choose_engine(tmp_path, backbone, photographs, "onnxruntime", batch=2)
