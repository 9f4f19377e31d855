from pathlib import Path

import mindspore
import numpy as np
import pytest
from mindcv.models import mobilenet_v2_035_224, mobilenet_v2_100, mobilenet_v2_140
from mindspore import Tensor, nn
from networks import build

from pipeline_lib.errors import PipelineError
from pipeline_lib.models.backbone import load_backbone
from pipeline_lib.models.mobilenetv2 import ARCHITECTURE, MINDCV, MobileNetV2Backbone, mindcv_name


def shake(network: nn.Cell) -> nn.Cell:
    """Give batch norm values other than 0 and 1, small variances too, so that a wrong epsilon or place would show."""
    rng = np.random.default_rng(3)
    for name, parameter in network.parameters_and_names():
        if name.endswith(("gamma", "moving_variance")):
            parameter.set_data(Tensor(rng.uniform(0.01, 1.0, parameter.shape).astype(np.float32)))
        elif name.endswith(("beta", "moving_mean")):
            parameter.set_data(Tensor(rng.normal(0, 0.2, parameter.shape).astype(np.float32)))
    return network.set_train(False)


@pytest.fixture(scope="module")
def original() -> nn.Cell:
    return shake(mobilenet_v2_100(num_classes=7))


@pytest.fixture(scope="module")
def checkpoint(original: nn.Cell, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mindcv") / "mobilenet_v2_100.ckpt"
    mindspore.save_checkpoint(original, str(path))
    return path


def test_features_are_those_of_mindcvs_own_network(original: nn.Cell, checkpoint: Path, tmp_path: Path):
    build(tmp_path / "backbone", checkpoint, width=1.0)
    network, spec = load_backbone(tmp_path / "backbone", ARCHITECTURE)
    x = Tensor(np.random.default_rng(5).normal(size=(2, 3, 64, 64)).astype(np.float32))
    theirs = original.forward_features(x).asnumpy()
    assert theirs.std() > 0.1
    assert np.abs(network(x).asnumpy() - theirs).max() < 1e-5 * np.abs(theirs).max()
    assert spec.source == "mindcv file"
    assert spec.convention == MINDCV


@pytest.mark.parametrize(("width", "network"), [(0.35, mobilenet_v2_035_224), (1.4, mobilenet_v2_140)])
def test_every_width_has_mindcvs_names_and_shapes(width: float, network):
    theirs = {name: parameter.shape for name, parameter in network().parameters_and_names() if "classifier" not in name}
    ours = {mindcv_name(name): parameter.shape for name, parameter in MobileNetV2Backbone(width).parameters_and_names()}
    assert ours == theirs


def changed(checkpoint: Path, target: Path, change) -> Path:
    arrays = {name: parameter.asnumpy() for name, parameter in mindspore.load_checkpoint(str(checkpoint)).items()}
    change(arrays)
    mindspore.save_checkpoint([{"name": name, "data": Tensor(array)} for name, array in arrays.items()], str(target))
    return target


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda arrays: arrays.pop("features.20.weight"), r"features\.20\.weight is missing;"),
        (lambda arrays: arrays.update({"moments.x": np.ones(2, np.float32)}), r"moments\.x is extra;"),
        (
            lambda arrays: arrays.update({"features.1.gamma": np.ones(16, np.float32)}),
            r"features\.1\.gamma has shape \(16,\) and not \(32,\);",
        ),
        (
            lambda arrays: [arrays.pop(f"features.5.layers.{i}.weight") for i in (0, 3, 6)] + [arrays.pop("features.0.weight")],
            "holds no weights of mobilenetv2",
        ),
        (
            lambda arrays: [arrays.pop(f"features.{i}.layers.0.weight") for i in (5, 6, 7, 8)],
            r"features\.5\.layers\.0\.weight is missing, .* and 1 more;",
        ),
    ],
)
def test_a_checkpoint_that_is_not_quite_the_network_is_refused_by_name(
    checkpoint: Path, tmp_path: Path, change, complaint: str
):
    weights = changed(checkpoint, tmp_path / "changed.ckpt", change)
    with pytest.raises(PipelineError, match=complaint):
        build(tmp_path / "backbone", weights, width=1.0)
    assert not list((tmp_path / "backbone").iterdir())
