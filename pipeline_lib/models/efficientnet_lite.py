"""The EfficientNet-Lite networks, and how their PyTorch weights are stored.

EfficientNet (Tan and Le 2019, arXiv:1905.11946) without squeeze-and-excitation and with ReLU6, made by its authors for
processors without floating point: github.com/tensorflow/tpu, models/official/efficientnet/lite.
"""

from __future__ import annotations

import math
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

CONVENTION = Convention(padding="tensorflow", bn_eps=1e-3, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0))
"""The Lite networks: (pixels - 127) / 128, as their efficientnet_lite_builder.py has it."""


def scaled(width: float, depth: float) -> list[BlockGroup]:
    """Return the groups of a network of this family.

    Args:
        width: Factor on the channels; rounded to multiples of 8 by the authors' rule.
        depth: Factor on the number of blocks, rounded up, of all groups but the first and the last (``fix_head_stem`` of
            their builder).
    """
    deep = [group._replace(blocks=math.ceil(group.blocks * depth)) for group in GROUPS[1:-1]]
    return [group._replace(channels=make_divisible(group.channels * width)) for group in (GROUPS[0], *deep, GROUPS[-1])]


class EfficientNetLiteBackbone(InvertedResidualBackbone):
    """The convolutional part of an EfficientNet-Lite: images in, feature maps out.

    Args:
        width: Factor on the channels of the blocks.
        depth: Factor on the number of blocks; see :func:`scaled`.
        padding: Padding convention, which belongs to the weights.
        bn_eps: Batch norm's epsilon, which belongs to the weights.
        seed: Seed of the first weights.

    Attributes:
        out_channels: Channels of the feature maps, 1280.
    """

    def __init__(
        self,
        width: float = 1.0,
        depth: float = 1.0,
        *,
        padding: Padding = CONVENTION.padding,
        bn_eps: float = CONVENTION.bn_eps,
        seed: int = 0,
    ) -> None:
        super().__init__(STEM_CHANNELS, scaled(width, depth), LAST_CHANNELS, padding=padding, bn_eps=bn_eps, seed=seed)


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


def _lite(name: str, width: float = 1.0, depth: float = 1.0) -> Architecture:
    """Return the member of the family with these factors; ``backbone.width`` multiplies the first of them.

    Its depths are those that were measured with Lite0: the last expansion at a sixteenth of the image's side, and the last
    one of all.
    """
    groups = scaled(width, depth)
    names = block_names(groups)
    reduced = sum(group.blocks for group in groups[:5])
    return Architecture(
        name=name,
        build=lambda factor, /, **options: EfficientNetLiteBackbone(width * factor, depth, **options),
        blocks=names,
        depths=(f"blocks.{reduced}", names[-2]),
        convention=CONVENTION,
        layouts=(
            Layout(
                "torch",
                "torch",
                "_conv_stem.weight",
                torch_name,
                re.compile(r"_fc\..*|.*\.num_batches_tracked"),
                CONVENTION,
            ),
        ),
    )


LITE0 = _lite("efficientnet_lite0")
LITE1 = _lite("efficientnet_lite1", depth=1.1)
LITE2 = _lite("efficientnet_lite2", width=1.1, depth=1.2)
"""Factors of efficientnet_lite_builder.py; made for images of 224, 240 and 260 pixels."""
