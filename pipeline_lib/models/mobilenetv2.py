"""MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381)."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_lib.models.layers import BlockGroup, InvertedResidualBackbone, make_divisible
from pipeline_lib.models.spec import Padding

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
