import os
import subprocess
import sys

import mindspore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mindspore import Tensor, nn

from pipeline_lib.models.layers import (
    BlockGroup,
    InvertedResidual,
    InvertedResidualBackbone,
    fold_batch_norms,
    make_divisible,
)

CONVENTION = {"padding": "tensorflow", "bn_eps": 1e-3}
TINY = (16, [BlockGroup(1, 8, 1, 2), BlockGroup(2, 16, 2, 1)], 64)


def arrays(network: nn.Cell) -> dict[str, np.ndarray]:
    return {name: parameter.asnumpy() for name, parameter in network.parameters_and_names()}


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
def test_padding_convention_decides_where_a_stride_2_kernel_is(padding: str, start: int):
    network = InvertedResidualBackbone(*TINY, padding=padding, bn_eps=1e-3)
    x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4).repeat(3, axis=1)
    corner = np.zeros((16, 3, 3, 3), np.float32)
    corner[:, 0, 2, 2] = 1  # each output is the input value two below and two right of the kernel's first corner
    network.stem.conv.weight.set_data(Tensor(corner))
    seen = network.stem.conv(Tensor(x)).asnumpy()[0, 0]
    padded = np.pad(x[0, 0], ((0, 2), (0, 2)))
    assert seen.tolist() == [[padded[r + 2 + start, c + 2 + start] for c in (0, 2)] for r in (0, 2)]


def test_first_weights_follow_the_stated_distributions():
    values = arrays(InvertedResidualBackbone(32, [BlockGroup(6, 320, 1, 2)], 1280, **CONVENTION, seed=3))
    assert np.std(values["last.conv.weight"]) == pytest.approx((2 / 1280) ** 0.5, rel=0.02)
    assert np.std(values["blocks.0.depthwise.conv.weight"]) == pytest.approx((2 / 9) ** 0.5, rel=0.05)
    assert (values["last.bn.gamma"] == 1).all()
    assert not values["last.bn.beta"].any()


def test_first_weights_are_the_seeds_and_no_one_elses():
    mindspore.set_seed(1)
    first = arrays(InvertedResidualBackbone(*TINY, **CONVENTION, seed=5))
    mindspore.set_seed(2)
    again = arrays(InvertedResidualBackbone(*TINY, **CONVENTION, seed=5))
    other = arrays(InvertedResidualBackbone(*TINY, **CONVENTION, seed=6))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["stem.conv.weight"], other["stem.conv.weight"])


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
    network = InvertedResidualBackbone(*TINY, **CONVENTION, seed=3)
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
