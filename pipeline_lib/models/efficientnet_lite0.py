"""EfficientNet-Lite0, and how its PyTorch weights are stored.

EfficientNet (Tan and Le 2019, arXiv:1905.11946) without squeeze-and-excitation and with ReLU6, made by its authors for
processors without floating point: github.com/tensorflow/tpu, models/official/efficientnet/lite.
"""

from __future__ import annotations

import re

from pipeline_lib.models.architecture import Architecture, Layout
from pipeline_lib.models.layers import BlockGroup, InvertedResidualBackbone, block_names, make_divisible
from pipeline_lib.models.spec import Convention, Padding

STEM_CHANNELS, LAST_CHANNELS = 32, 1280
"""Channels of the first and the last convolution, whatever the width: the Lite networks scale the blocks alone."""

GROUPS = (
    BlockGroup(1, 16, 1, 1, 3),
    BlockGroup(6, 24, 2, 2, 3),
    BlockGroup(6, 40, 2, 2, 5),
    BlockGroup(6, 80, 3, 2, 3),
    BlockGroup(6, 112, 3, 1, 5),
    BlockGroup(6, 192, 4, 2, 5),
    BlockGroup(6, 320, 1, 1, 3),
)
"""Table 1 of the paper: expansion, output channels, blocks, stride of the first block, side of the kernels."""

LITE = Convention(padding="tensorflow", bn_eps=1e-3, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0))
"""The Lite networks: (pixels - 127) / 128, as their efficientnet_lite_builder.py has it."""


class EfficientNetLite0Backbone(InvertedResidualBackbone):
    """The convolutional part of EfficientNet-Lite0: images in, feature maps out.

    Args:
        width: Factor on the channels of the blocks; rounded to multiples of 8 by the authors' rule.
        padding: Padding convention, which belongs to the weights.
        bn_eps: Batch norm's epsilon, which belongs to the weights.
        seed: Seed of the first weights.

    Attributes:
        out_channels: Channels of the feature maps, 1280.
    """

    def __init__(
        self, width: float = 1.0, *, padding: Padding = LITE.padding, bn_eps: float = LITE.bn_eps, seed: int = 0
    ) -> None:
        groups = [group._replace(channels=make_divisible(group.channels * width)) for group in GROUPS]
        super().__init__(STEM_CHANNELS, groups, LAST_CHANNELS, padding=padding, bn_eps=bn_eps, seed=seed)


_ENDS = {
    ("stem", "conv"): "_conv_stem",
    ("stem", "bn"): "_bn0",
    ("last", "conv"): "_conv_head",
    ("last", "bn"): "_bn1",
}
_BATCH_NORMS = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
_VARIABLES = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def torch_name(name: str) -> str:
    """Return the name of a backbone parameter in the Python package efficientnet-lite-pytorch.

    ``_blocks.3._bn0.weight`` for ``blocks.3.expand.bn.gamma``, ``_conv_head.weight`` for ``last.conv.weight``.
    """
    unit, part, variable = name.rsplit(".", 2)
    layer = _ENDS.get((unit, part))
    if layer is None:
        _, index, step = unit.split(".")
        layer = f"_blocks.{index}.{_BATCH_NORMS[step] if part == 'bn' else f'_{step}_conv'}"
    return f"{layer}.{_VARIABLES.get(variable, variable)}"


ARCHITECTURE = Architecture(
    name="efficientnet_lite0",
    build=EfficientNetLite0Backbone,
    blocks=block_names(GROUPS),
    depths=("blocks.11", "blocks.15"),
    convention=LITE,
    layouts=(
        Layout(
            "torch",
            "torch",
            "_conv_stem.weight",
            torch_name,
            re.compile(r"_fc\..*|.*\.num_batches_tracked"),
            LITE,
        ),
    ),
)
