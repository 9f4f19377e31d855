"""MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381): backbone, head, and the two combined.

The backbone ends before pooling, and the head's classifier starts after it. So a classifier trained on features that were
pooled and cached once is, parameter for parameter, the classifier of the combined network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from mindspore import Tensor, nn, ops

from pipeline_lib.models.spec import Padding

Activation = Literal["sigmoid", "softmax"]

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

DENSE_SIGMA = 0.01
"""Standard deviation of a dense layer's first weights: small, so that training starts near uniform probabilities."""


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round a number of channels to a multiple of ``divisor``, never more than 10 % down.

    This is the rule of the authors' implementation; published weights of other widths depend on it.

    Args:
        value: Wanted number of channels, above 0.
        divisor: Step of the result and its smallest value, at least 1.
    """
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * value else rounded + divisor


class ConvBN(nn.Cell):
    """A convolution without bias, then batch norm: the linear projection that ends a block.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Side of the square kernel in pixels, odd.
        stride: 1 or 2.
        groups: 1, or ``in_channels`` for a depthwise convolution.
        padding: "tensorflow" pads an even map only below and to the right at stride 2; "pytorch" pads all sides alike.
        bn_eps: Added to the variance in batch norm.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        *,
        padding: Padding,
        bn_eps: float,
    ) -> None:
        super().__init__()
        pad: dict[str, Any] = {"pad_mode": "same"}
        if padding == "pytorch":
            pad = {"pad_mode": "pad", "padding": kernel // 2}
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, group=groups, has_bias=False, **pad)
        self.bn = nn.BatchNorm2d(out_channels, eps=bn_eps)

    def construct(self, x: Tensor) -> Tensor:
        """Map (n, in_channels, h, w) to (n, out_channels, ceil(h / stride), ceil(w / stride))."""
        return self.bn(self.conv(x))

    def fold(self) -> None:
        """Fold batch norm, as it is in inference, into the convolution, which gets a bias: the same outputs, sooner."""
        scale = self.bn.gamma.asnumpy() / np.sqrt(self.bn.moving_variance.asnumpy() + self.bn.eps)
        bias = self.bn.beta.asnumpy() - self.bn.moving_mean.asnumpy() * scale
        old, convention = self.conv, {"pad_mode": self.conv.pad_mode, "padding": self.conv.padding}
        self.conv = nn.Conv2d(
            old.in_channels, old.out_channels, old.kernel_size, old.stride, group=old.group, has_bias=True, **convention
        )
        self.conv.weight.set_data(Tensor(old.weight.asnumpy() * scale.reshape(-1, 1, 1, 1)))
        self.conv.bias.set_data(Tensor(bias))
        self.bn = nn.Identity()


class ConvBNReLU6(ConvBN):
    """A convolution, batch norm, and ReLU cut off at 6; arguments as for :class:`ConvBN`."""

    def __init__(self, *args: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.relu6 = nn.ReLU6()

    def construct(self, x: Tensor) -> Tensor:
        """Map (n, in_channels, h, w) to (n, out_channels, ceil(h / stride), ceil(w / stride)), values 0..6."""
        return self.relu6(self.bn(self.conv(x)))


class InvertedResidual(nn.Cell):
    """Expand by 1x1, filter each channel by 3x3, project by 1x1 without activation; add the input where shapes allow it.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: 1 or 2, of the depthwise convolution.
        expansion: Factor t between the input's channels and the filtered ones; 1 leaves the first 1x1 out.
        padding: See :class:`ConvBN`.
        bn_eps: See :class:`ConvBN`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, expansion: int, *, padding: Padding, bn_eps: float
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        convention: dict[str, Any] = {"padding": padding, "bn_eps": bn_eps}
        self.expand = ConvBNReLU6(in_channels, hidden, **convention) if expansion != 1 else nn.Identity()
        self.depthwise = ConvBNReLU6(hidden, hidden, 3, stride, hidden, **convention)
        self.project = ConvBN(hidden, out_channels, **convention)
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def construct(self, x: Tensor) -> Tensor:
        """Map (n, in_channels, h, w) to (n, out_channels, ceil(h / stride), ceil(w / stride))."""
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.has_shortcut else y


class MobileNetV2Backbone(nn.Cell):
    """The convolutional part of MobileNetV2: images in, feature maps out.

    Args:
        width_mult: Factor on every channel count. The last layer only ever grows with it, as in the published networks.
        inverted_residual_setting: Rows (t, c, n, s); None = :data:`INVERTED_RESIDUAL_SETTING`.
        round_nearest: Channel counts are multiples of this.
        input_channel: Channels of the first convolution at width 1.0.
        last_channel: Channels of the last convolution at width 1.0.
        padding: Padding convention, which belongs to the weights; see :class:`ConvBN`.
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
        super().__init__()
        convention: dict[str, Any] = {"padding": padding, "bn_eps": bn_eps}
        channels = make_divisible(input_channel * width_mult, round_nearest)
        self.out_channels = make_divisible(last_channel * max(1.0, width_mult), round_nearest)
        self.stem = ConvBNReLU6(3, channels, 3, 2, **convention)
        blocks = []
        for t, c, n, s in inverted_residual_setting or INVERTED_RESIDUAL_SETTING:
            out_channels = make_divisible(c * width_mult, round_nearest)
            for i in range(n):
                blocks.append(InvertedResidual(channels, out_channels, s if i == 0 else 1, t, **convention))
                channels = out_channels
        self.blocks = nn.SequentialCell(blocks)
        self.last = ConvBNReLU6(channels, self.out_channels, **convention)
        initialise(self, seed)

    def construct(self, x: Tensor) -> Tensor:
        """Map preprocessed images (n, 3, h, w) to feature maps (n, out_channels, h / 32, w / 32), values 0..6."""
        return self.last(self.blocks(self.stem(x)))


class GlobalAveragePooling(nn.Cell):
    """The mean of each channel's map."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = ops.ReduceMean(keep_dims=False)

    def construct(self, x: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, c)."""
        return self.mean(x, (2, 3))


class Classifier(nn.Cell):
    """One dense layer, or two with ReLU between: what is trained on cached features.

    Args:
        input_channel: Length of a pooled feature vector.
        num_classes: Number of classes.
        hidden: Units of the hidden layer; 0 = a single dense layer.
        seed: Seed of the first weights.
    """

    def __init__(self, input_channel: int, num_classes: int, hidden: int = 0, *, seed: int = 0) -> None:
        super().__init__()
        self.hidden = nn.SequentialCell(nn.Dense(input_channel, hidden), nn.ReLU()) if hidden else nn.Identity()
        self.output = nn.Dense(hidden or input_channel, num_classes)
        initialise(self, seed)

    def construct(self, x: Tensor) -> Tensor:
        """Map pooled features (n, input_channel) to logits (n, num_classes)."""
        return self.output(self.hidden(x))


class MobileNetV2Head(nn.Cell):
    """Global average pooling, optional dropout, the classifier, and an optional activation for output.

    Args:
        input_channel: Channels of the feature maps.
        num_classes: Number of classes.
        has_dropout: Whether training drops a part of the pooled features.
        activation: None gives logits, which the loss wants; "sigmoid" or "softmax" gives values for people to read.
        dropout: Share of them that is dropped, 0..1; 0.2 as in the authors' implementation.
        hidden: Units of the hidden layer; 0 = a single dense layer.
        seed: Seed of the first weights.
    """

    def __init__(
        self,
        input_channel: int = 1280,
        num_classes: int = 26,
        has_dropout: bool = False,
        activation: Activation | None = None,
        *,
        dropout: float = 0.2,
        hidden: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.pool = GlobalAveragePooling()
        self.dropout = nn.Dropout(p=dropout) if has_dropout else nn.Identity()
        self.classifier = Classifier(input_channel, num_classes, hidden, seed=seed)
        activations = {None: nn.Identity, "sigmoid": nn.Sigmoid, "softmax": nn.Softmax}
        self.activation = activations[activation]()

    def construct(self, x: Tensor) -> Tensor:
        """Map feature maps (n, input_channel, h, w) to (n, num_classes) logits, or values 0..1 after an activation."""
        return self.activation(self.classifier(self.dropout(self.pool(x))))


class MobileNetV2(nn.Cell):
    """Backbone and head as one network, for training the whole and for export."""

    def __init__(self, backbone: MobileNetV2Backbone, head: MobileNetV2Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def construct(self, x: Tensor) -> Tensor:
        """Map preprocessed images (n, 3, h, w) to what the head gives, (n, num_classes)."""
        return self.head(self.backbone(x))


def initialise(network: nn.Cell, seed: int) -> None:
    """Set every weight of a network anew, the same values for the same seed.

    Convolutions: normal with variance 2 / fan-out (He et al. 2015, arXiv:1502.01852), where fan-out counts the outputs that
    one input feeds, so a depthwise kernel's is its area. Dense layers: normal with :data:`DENSE_SIGMA`, bias 0. Batch norm:
    gamma 1, beta 0.
    """
    rng = np.random.default_rng(seed)
    for _, cell in network.cells_and_names():
        if isinstance(cell, nn.Conv2d):
            height, width = cell.kernel_size
            fan_out = height * width * cell.out_channels // cell.group
            _set_normal(cell.weight, math.sqrt(2 / fan_out), rng)
        elif isinstance(cell, nn.Dense):
            _set_normal(cell.weight, DENSE_SIGMA, rng)
            cell.bias.set_data(Tensor(np.zeros(cell.bias.shape, np.float32)))
        elif isinstance(cell, nn.BatchNorm2d):
            cell.gamma.set_data(Tensor(np.ones(cell.gamma.shape, np.float32)))
            cell.beta.set_data(Tensor(np.zeros(cell.beta.shape, np.float32)))


def fold_batch_norms(network: nn.Cell) -> None:
    """Fold every batch norm of a network that will only be run, not trained, into the convolution before it."""
    for _, cell in network.cells_and_names():
        if isinstance(cell, ConvBN):
            cell.fold()


def _set_normal(parameter: Any, sigma: float, rng: np.random.Generator) -> None:
    parameter.set_data(Tensor(rng.normal(0.0, sigma, parameter.shape).astype(np.float32)))
