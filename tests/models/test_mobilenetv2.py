import os
import subprocess
import sys

import mindspore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mindspore import Tensor, nn

from pipeline_lib.models.mobilenetv2 import (
    Classifier,
    GlobalAveragePooling,
    InvertedResidual,
    MobileNetV2,
    MobileNetV2Backbone,
    MobileNetV2Head,
    fold_batch_norms,
    make_divisible,
)

TINY = (1.0, [(1, 8, 1, 2), (2, 16, 2, 1)], 8, 16, 64)
CONVENTION = {"padding": "tensorflow", "bn_eps": 1e-3}


def arrays(network: nn.Cell) -> dict[str, np.ndarray]:
    return {name: parameter.asnumpy() for name, parameter in network.parameters_and_names()}


def images(n: int, size: int, seed: int = 0) -> Tensor:
    return Tensor(np.random.default_rng(seed).uniform(-1, 1, (n, 3, size, size)).astype(np.float32))


@settings(deadline=None)
@given(st.floats(0.1, 5000), st.integers(1, 64))
def test_channels_are_multiples_and_lose_at_most_a_tenth(value: float, divisor: int):
    channels = make_divisible(value, divisor)
    assert channels % divisor == 0
    assert channels >= divisor
    assert 0.9 * value <= channels < value + 1.5 * divisor


@pytest.mark.parametrize(
    ("value", "channels"), [(32 * 0.35, 16), (24 * 0.35, 8), (16 * 0.75, 16), (32 * 1.4, 48), (1280, 1280)]
)
def test_channels_are_the_published_ones(value: float, channels: int):
    assert make_divisible(value) == channels


def test_full_network_has_the_published_number_of_weights():
    network = MobileNetV2(MobileNetV2Backbone(), MobileNetV2Head(num_classes=1000))
    assert sum(parameter.size for parameter in network.trainable_params()) == 3_504_872
    assert sum(parameter.size for parameter in network.backbone.get_parameters()) == 2_257_984


@pytest.mark.parametrize(("width", "channels"), [(0.35, 1280), (1.0, 1280), (1.4, 1792)])
def test_last_layer_grows_with_the_width_but_never_shrinks(width: float, channels: int):
    backbone = MobileNetV2Backbone(width)
    assert backbone.out_channels == channels
    assert backbone.last.conv.weight.shape[0] == channels


def test_own_settings_table_makes_the_network():
    backbone = MobileNetV2Backbone(*TINY).set_train(False)
    assert backbone(images(2, 16)).shape == (2, 64, 4, 4)
    assert [block.has_shortcut for block in backbone.blocks] == [False, False, True]


@pytest.mark.parametrize(("out_channels", "stride", "shortcut"), [(8, 1, True), (8, 2, False), (16, 1, False), (16, 2, False)])
def test_shortcut_only_where_stride_is_one_and_channels_are_equal(out_channels: int, stride: int, shortcut: bool):
    block = InvertedResidual(8, out_channels, stride, 6, **CONVENTION).set_train(False)
    x = Tensor(np.random.default_rng(0).normal(size=(1, 8, 4, 4)).astype(np.float32))
    block.project.bn.gamma.set_data(Tensor(np.zeros(out_channels, np.float32)))
    expected = x.asnumpy() if shortcut else np.zeros((1, out_channels, 4 // stride, 4 // stride), np.float32)
    np.testing.assert_array_equal(block(x).asnumpy(), expected)


def test_projection_has_no_activation_and_expansion_one_has_no_first_convolution():
    block = InvertedResidual(8, 16, 1, 1, **CONVENTION).set_train(False)
    assert not [name for name, _ in block.parameters_and_names() if name.startswith("expand")]
    assert block(Tensor(np.ones((1, 8, 4, 4), np.float32))).asnumpy().min() < 0


@pytest.mark.parametrize(("padding", "start"), [("tensorflow", 0), ("pytorch", -1)])
def test_padding_convention_decides_where_a_stride_2_kernel_stands(padding: str, start: int):
    network = MobileNetV2Backbone(*TINY, padding=padding)
    x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4).repeat(3, axis=1)
    corner = np.zeros((16, 3, 3, 3), np.float32)
    corner[:, 0, 2, 2] = 1  # each output is the input value two below and two right of the kernel's first corner
    network.stem.conv.weight.set_data(Tensor(corner))
    seen = network.stem.conv(Tensor(x)).asnumpy()[0, 0]
    padded = np.pad(x[0, 0], ((0, 2), (0, 2)))
    assert seen.tolist() == [[padded[r + 2 + start, c + 2 + start] for c in (0, 2)] for r in (0, 2)]


def test_first_weights_follow_the_stated_distributions():
    network = MobileNetV2(MobileNetV2Backbone(seed=3), MobileNetV2Head(num_classes=1000, seed=4))
    values = arrays(network)
    assert np.std(values["backbone.last.conv.weight"]) == pytest.approx((2 / 1280) ** 0.5, rel=0.02)
    assert np.std(values["backbone.blocks.16.depthwise.conv.weight"]) == pytest.approx((2 / 9) ** 0.5, rel=0.03)
    assert np.std(values["head.classifier.output.weight"]) == pytest.approx(0.01, rel=0.02)
    assert not values["head.classifier.output.bias"].any()
    assert (values["backbone.last.bn.gamma"] == 1).all()
    assert not values["backbone.last.bn.beta"].any()


def test_first_weights_are_the_seeds_and_no_one_elses():
    mindspore.set_seed(1)
    first = arrays(MobileNetV2Backbone(*TINY, seed=5))
    mindspore.set_seed(2)
    again = arrays(MobileNetV2Backbone(*TINY, seed=5))
    other = arrays(MobileNetV2Backbone(*TINY, seed=6))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["stem.conv.weight"], other["stem.conv.weight"])


@pytest.mark.parametrize("mode", [mindspore.GRAPH_MODE, mindspore.PYNATIVE_MODE])
@pytest.mark.parametrize("hidden", [0, 12])
def test_classifier_on_pooled_features_is_the_head_of_the_whole_network(mode: int, hidden: int):
    mindspore.set_context(mode=mode)
    backbone = MobileNetV2Backbone(*TINY).set_train(False)
    head = MobileNetV2Head(64, 5, has_dropout=True, hidden=hidden, seed=2)
    whole = MobileNetV2(backbone, head).set_train(False)
    pooled = GlobalAveragePooling()(backbone(images(3, 32)))
    trained = Classifier(64, 5, hidden, seed=2).set_train(False)
    np.testing.assert_allclose(trained(pooled).asnumpy(), whole(images(3, 32)).asnumpy(), rtol=1e-5, atol=1e-7)


def test_classifier_names_its_parameters_alike_alone_and_inside_the_head():
    whole = MobileNetV2(MobileNetV2Backbone(*TINY), MobileNetV2Head(64, 5, hidden=7))
    assert list(arrays(Classifier(64, 5, 7))) == list(arrays(whole.head.classifier))


def test_activations_are_for_output():
    maps = Tensor(np.random.default_rng(0).uniform(0, 6, (4, 64, 2, 2)).astype(np.float32))
    logits, sigmoid, softmax = (
        MobileNetV2Head(64, 5, activation=activation, seed=1).set_train(False)(maps).asnumpy()
        for activation in (None, "sigmoid", "softmax")
    )
    np.testing.assert_allclose(sigmoid, 1 / (1 + np.exp(-logits)), rtol=1e-5)
    np.testing.assert_allclose(softmax, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), rtol=1e-5)


def test_dropout_acts_in_training_alone_and_only_when_asked_for():
    maps = Tensor(np.ones((1, 640, 1, 1), np.float32))
    head = MobileNetV2Head(640, 5, has_dropout=True, dropout=0.5)
    kept = head.set_train(True).dropout(head.pool(maps)).asnumpy()
    assert 0.3 < (kept == 0).mean() < 0.7
    assert (head.set_train(False).dropout(head.pool(maps)).asnumpy() == 1).all()
    plain = MobileNetV2Head(640, 5)
    assert (plain.set_train(True).dropout(plain.pool(maps)).asnumpy() == 1).all()


def test_no_convolution_runs_by_onednns_slow_reference_code():
    code = (
        "import numpy as np, mindspore\n"
        "from pipeline_lib.models.mobilenetv2 import MobileNetV2Backbone\n"
        "MobileNetV2Backbone(0.35).set_train(False)(mindspore.Tensor(np.ones((1, 3, 32, 32), np.float32))).asnumpy()"
    )
    environment = {name: value for name, value in os.environ.items() if name != "ONEDNN_MAX_CPU_ISA"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**environment, "ONEDNN_VERBOSE": "1"}, capture_output=True, text=True, check=True
    )
    kernels = [line.split(",")[6] for line in done.stdout.splitlines() if ",exec,cpu,convolution," in line]
    assert len(kernels) == 52
    assert not [kernel for kernel in kernels if "ref" in kernel]


def test_folded_batch_norms_give_the_same_features() -> None:
    network = MobileNetV2Backbone(0.35, seed=3)
    rng = np.random.default_rng(3)
    for _, cell in network.cells_and_names():
        if isinstance(cell, nn.BatchNorm2d):
            cell.moving_mean.set_data(Tensor(rng.normal(0, 0.2, cell.moving_mean.shape).astype(np.float32)))
            cell.moving_variance.set_data(Tensor(rng.uniform(0.5, 2, cell.moving_variance.shape).astype(np.float32)))
    network.set_train(False)
    images = Tensor(rng.normal(size=(2, 3, 64, 64)).astype(np.float32))
    expected = network(images).asnumpy()
    fold_batch_norms(network)
    assert not any(isinstance(cell, nn.BatchNorm2d) for _, cell in network.cells_and_names())
    np.testing.assert_allclose(network(images).asnumpy(), expected, rtol=1e-3, atol=1e-4)
