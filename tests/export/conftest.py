"""A small model of its own for the tests of exports: no training, any head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from networks import build, operators_one_by_one  # noqa: F401  # a fixture
from support import kept

from pipeline_lib.data.embedded import sample_pictures
from pipeline_lib.export.source import Source, read_source
from pipeline_lib.features.engine import Engine
from pipeline_lib.models.architectures import find_architecture
from pipeline_lib.models.files import BACKBONE, SPEC
from pipeline_lib.models.heads import HeadSpec, write_head
from pipeline_lib.models.spec import BackboneSpec
from pipeline_lib.training.head import keep_backbone
from pipeline_lib.weights.export import export_onnx

CLASSES = ("Battery", "Cans", "something else")
SIZE = 64

MakeModel = Callable[..., Source]


def _write_head(folder: Path, hidden: int) -> None:
    """A head whose logits differ by a few units from picture to picture, and most of all with what a picture shows."""
    engine = Engine(folder / BACKBONE, 1)
    noise_aware = engine.preprocessing.noise_aware
    seen = np.concatenate([engine(engine.preprocessing.prepare(each).array[None]) for each in sample_pictures(12)])
    mean, spread = seen.mean(axis=0), seen.std(axis=0) + 0.01
    if noise_aware:
        mean, spread = np.concatenate([mean, 0 * mean, [0]]), np.concatenate([spread, spread, [1]])
    rng, outputs = np.random.default_rng(5), hidden or len(CLASSES)
    weight = rng.normal(0, 4 / engine.width**0.5, (outputs, len(mean))) / spread
    arrays = {"output.weight": weight, "output.bias": -weight @ mean}
    if hidden:
        arrays = {name.replace("output", "hidden.0"): array for name, array in arrays.items()}
        arrays |= {"output.weight": rng.normal(0, 1, (len(CLASSES), hidden)), "output.bias": np.zeros(len(CLASSES))}
    spec = HeadSpec(
        classes=CLASSES,
        in_features=engine.width,
        hidden=hidden,
        noise_aware=noise_aware,
        temperature=1.7,
        best_epoch=1,
        parameters=sum(array.size for array in arrays.values()),
    )
    write_head(folder, spec, {name: array.astype(np.float32) for name, array in arrays.items()})


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> MakeModel:
    """Makes a model and reads it as an export does."""
    backbones: dict[tuple[str, bool], Path] = {}

    def make(*, architecture: str = "mobilenetv2", hidden: int = 0, noise_aware: bool = True, channels: str = "RGB") -> Source:
        if (architecture, noise_aware) not in backbones:
            made = tmp_path_factory.mktemp("backbone")
            build(made, architecture=architecture, noise_aware=noise_aware, image_size=SIZE)
            export_onnx(made, find_architecture(architecture).load())
            backbones[architecture, noise_aware] = made
        folder = tmp_path_factory.mktemp("model")
        keep_backbone(folder, kept(backbones[architecture, noise_aware]))
        path = folder / BACKBONE / SPEC
        spec = BackboneSpec.model_validate_json(path.read_bytes())
        preprocessing = spec.preprocessing.model_copy(update={"channels": channels})
        path.unlink()
        path.write_text(spec.model_copy(update={"preprocessing": preprocessing}).model_dump_json(), encoding="utf-8")
        _write_head(folder, hidden)
        return read_source(folder, "pictures")

    return make


@pytest.fixture(scope="session")
def source(make_model: MakeModel) -> Source:
    return make_model()
