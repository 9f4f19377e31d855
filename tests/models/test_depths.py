"""Features of several depths are the pooled activations of the blocks that are named, behind those of the last maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mindspore import Tensor
from networks import build

from pipeline_lib.features.engine import Engine
from pipeline_lib.models.architectures import ENTRIES, Entry
from pipeline_lib.models.backbone import load_backbone, pooled_backbone
from pipeline_lib.weights.export import export_onnx

every_architecture = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


def images() -> Tensor:
    return Tensor(np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32))


@every_architecture
def test_pooled_features_are_the_means_of_the_blocks_activations(entry: Entry, tmp_path: Path) -> None:
    architecture = entry.load()
    build(tmp_path, architecture=entry.name)
    network, spec = load_backbone(tmp_path, architecture)
    assert spec.depths == architecture.depths
    cells, x, expected = dict(network.cells_and_names()), images(), []
    for name in architecture.blocks:
        if name in architecture.depths:
            expected.append(cells[f"{name}.expand"](x).asnumpy().mean(axis=(2, 3)))
        x = cells[name](x)
    pooled, _ = pooled_backbone(tmp_path, architecture)
    features = pooled(images()).asnumpy()
    assert features.shape == (2, pooled.width)
    np.testing.assert_allclose(features, np.hstack([x.asnumpy().mean(axis=(2, 3)), *expected]), rtol=1e-4, atol=1e-5)


@every_architecture
def test_the_last_depth_alone_comes_first_among_several(entry: Entry, tmp_path: Path) -> None:
    architecture = entry.load()
    several, last = tmp_path / "several", tmp_path / "last"
    build(several, architecture=entry.name)
    build(last, architecture=entry.name, depths="last")
    (many, _), (few, spec) = (pooled_backbone(folder, architecture) for folder in (several, last))
    assert spec.depths == ()
    assert few.width == 1280
    np.testing.assert_allclose(many(images()).asnumpy()[:, :1280], few(images()).asnumpy(), rtol=1e-5, atol=1e-6)


@every_architecture
def test_mirrored_features_are_the_mean_over_an_image_and_its_mirror_image(entry: Entry, tmp_path: Path) -> None:
    architecture = entry.load()
    plain, mirrored = tmp_path / "plain", tmp_path / "mirrored"
    build(plain, architecture=entry.name)
    build(mirrored, architecture=entry.name, mirrored=True)
    x = images().asnumpy()
    backwards = np.ascontiguousarray(x[..., ::-1])
    (once, _), (both, spec) = (pooled_backbone(folder, architecture) for folder in (plain, mirrored))
    assert spec.mirrored
    expected = (once(Tensor(x)).asnumpy() + once(Tensor(backwards)).asnumpy()) / 2
    np.testing.assert_allclose(both(Tensor(x)).asnumpy(), expected, rtol=1e-4, atol=1e-5)

    export_onnx(mirrored, architecture)
    shipped = Engine(mirrored, 2)
    assert shipped.width == both.width
    np.testing.assert_allclose(shipped(x), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(shipped(backwards[:1]), expected[:1], rtol=1e-4, atol=1e-5)
