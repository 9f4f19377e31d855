"""MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381), and how Keras and MindCV store its weights."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline_lib.models.architecture import Architecture, Layout
from pipeline_lib.models.layers import BlockGroup, InvertedResidualBackbone, block_names, make_divisible
from pipeline_lib.models.spec import Convention, Padding

INVERTED_RESIDUAL_SETTING: tuple[tuple[int, int, int, int], ...] = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Table 2 of the paper, a stage a row: expansion t, output channels c, blocks n, stride s of the first block."""


class MobileNetV2Backbone(InvertedResidualBackbone):
    """The convolutional part of MobileNetV2: images in, feature maps out.

    Args:
        width_mult: Factor on every channel count. The last layer only ever grows with it, as in the published networks.
        inverted_residual_setting: Rows (t, c, n, s); None = :data:`INVERTED_RESIDUAL_SETTING`.
        round_nearest: Channel counts are multiples of this.
        input_channel: Channels of the first convolution at width 1.0.
        last_channel: Channels of the last convolution at width 1.0.
        padding: Padding convention, which belongs to the weights.
        bn_eps: Batch norm's epsilon, which belongs to the weights.
        seed: Seed of the first weights.

    Attributes:
        out_channels: Channels of the feature maps, 1280 up to width 1.0.
    """

    def __init__(
        self,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[tuple[int, int, int, int]] | None = None,
        round_nearest: int = 8,
        input_channel: int = 32,
        last_channel: int = 1280,
        *,
        padding: Padding = "tensorflow",
        bn_eps: float = 1e-3,
        seed: int = 0,
    ) -> None:
        groups = [
            BlockGroup(t, make_divisible(c * width_mult, round_nearest), n, s)
            for t, c, n, s in inverted_residual_setting or INVERTED_RESIDUAL_SETTING
        ]
        super().__init__(
            make_divisible(input_channel * width_mult, round_nearest),
            groups,
            make_divisible(last_channel * max(1.0, width_mult), round_nearest),
            padding=padding,
            bn_eps=bn_eps,
            seed=seed,
        )


KERAS = Convention(padding="tensorflow", bn_eps=1e-3, mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5))
"""keras.applications: pixels scaled to -1..1."""

MINDCV = Convention(padding="pytorch", bn_eps=1e-5, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
"""MindCV's models: the mean and standard deviation of ImageNet, 255 times (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225)."""

_KERAS_LAYERS = {
    ("stem", "conv"): "Conv1",
    ("stem", "bn"): "bn_Conv1",
    ("last", "conv"): "Conv_1",
    ("last", "bn"): "Conv_1_bn",
}


def keras_name(name: str) -> str:
    """Return the Keras name of a backbone parameter: ``block_3_expand_BN/gamma`` for ``blocks.3.expand.bn.gamma``."""
    unit, part, variable = name.rsplit(".", 2)
    layer = _KERAS_LAYERS.get((unit, part))
    if layer is None:
        _, index, step = unit.split(".")
        block = "expanded_conv" if index == "0" else f"block_{index}"
        layer = f"{block}_{step}_BN" if part == "bn" else f"{block}_{step}"
    return f"{layer}/{'kernel' if variable == 'weight' else variable}"


_MINDCV_FEATURES = {"stem": 0, "last": 20}
_MINDCV_LAYERS = {"expand": 0, "depthwise": 3, "project": 6}


def mindcv_name(name: str) -> str:
    """Return MindCV's name of a backbone parameter: ``features.6.layers.1.gamma`` for ``blocks.3.expand.bn.gamma``.

    Convolution, batch norm and ReLU6 have consecutive numbers; the stem takes 0..2, so block i is number i + 3. The first
    block has no expansion, which moves its numbers by three.
    """
    unit, part, variable = name.rsplit(".", 2)
    step = 1 if part == "bn" else 0
    if unit in _MINDCV_FEATURES:
        return f"features.{_MINDCV_FEATURES[unit] + step}.{variable}"
    _, index, layer = unit.split(".")
    number = _MINDCV_LAYERS[layer] + step - (3 if index == "0" else 0)
    return f"features.{int(index) + 3}.layers.{number}.{variable}"


ARCHITECTURE = Architecture(
    name="mobilenetv2",
    build=MobileNetV2Backbone,
    blocks=block_names([BlockGroup(*row) for row in INVERTED_RESIDUAL_SETTING]),
    depths=("blocks.13", "blocks.16"),
    convention=KERAS,
    layouts=(
        Layout(
            "keras",
            "hdf5",
            "Conv1/kernel",
            keras_name,
            re.compile(r"(predictions|logits|dense(_\d+)?)/.*", re.IGNORECASE),
            KERAS,
        ),
        Layout("mindcv", "mindspore", "features.0.weight", mindcv_name, re.compile(r"classifier\..*"), MINDCV),
    ),
)
