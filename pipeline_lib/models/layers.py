"""What convolutional backbones are made of: inverted residuals (Sandler et al. 2018, arXiv:1801.04381) and a chain of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from mindspore import Tensor, nn, ops
from numpy.typing import NDArray

from pipeline_lib.models.spec import Padding


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
        self.eps = bn_eps

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
    """Expand by 1x1, filter each channel, project by 1x1 without activation; add the input where shapes allow it.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: 1 or 2, of the depthwise convolution.
        expansion: Factor t between the input's channels and the filtered ones; 1 leaves the first 1x1 out.
        kernel: Side of the depthwise kernel in pixels, odd.
        padding: See :class:`ConvBN`.
        bn_eps: See :class:`ConvBN`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        expansion: int,
        kernel: int = 3,
        *,
        padding: Padding,
        bn_eps: float,
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        convention: dict[str, Any] = {"padding": padding, "bn_eps": bn_eps}
        self.expand = ConvBNReLU6(in_channels, hidden, **convention) if expansion != 1 else nn.Identity()
        self.depthwise = ConvBNReLU6(hidden, hidden, kernel, stride, hidden, **convention)
        self.project = ConvBN(hidden, out_channels, **convention)
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def construct(self, x: Tensor) -> Tensor:
        """Map (n, in_channels, h, w) to (n, out_channels, ceil(h / stride), ceil(w / stride))."""
        return self.contract(x, self.expand(x))

    def contract(self, x: Tensor, expanded: Tensor) -> Tensor:
        """Return the output from the input and its expansion, (n, in_channels, h, w) and (n, t in_channels, h, w)."""
        y = self.project(self.depthwise(expanded))
        return x + y if self.has_shortcut else y


class BlockGroup(NamedTuple):
    """Inverted residuals of one output width: a row of the tables in which papers describe such networks.

    Attributes:
        expansion: Factor t of every block.
        channels: Output channels of every block.
        blocks: How many blocks.
        stride: Stride of the first block; the others have 1.
        kernel: Side of the depthwise kernels in pixels.
    """

    expansion: int
    channels: int
    blocks: int
    stride: int
    kernel: int = 3


def block_names(groups: Sequence[BlockGroup]) -> tuple[str, ...]:
    """Return the names of the parts of an :class:`InvertedResidualBackbone` with these groups, in their order."""
    return ("stem", *(f"blocks.{number}" for number in range(sum(group.blocks for group in groups))), "last")


class InvertedResidualBackbone(nn.Cell):
    """A convolution, a chain of inverted residuals, a 1x1 convolution: images in, feature maps out.

    Each part takes what the one before it gives; :func:`block_names` has their names.

    Args:
        stem_channels: Channels of the first convolution.
        groups: The blocks in their order.
        out_channels: Channels of the last convolution.
        padding: Padding convention, which belongs to the weights; see :class:`ConvBN`.
        bn_eps: Batch norm's epsilon, which belongs to the weights.
        seed: Seed of the first weights.

    Attributes:
        out_channels: Channels of the feature maps.
    """

    def __init__(
        self,
        stem_channels: int,
        groups: Sequence[BlockGroup],
        out_channels: int,
        *,
        padding: Padding,
        bn_eps: float,
        seed: int = 0,
    ) -> None:
        super().__init__()
        convention: dict[str, Any] = {"padding": padding, "bn_eps": bn_eps}
        self.out_channels = out_channels
        self.stem = ConvBNReLU6(3, stem_channels, 3, 2, **convention)
        blocks, channels = [], stem_channels
        for group in groups:
            for number in range(group.blocks):
                stride = group.stride if number == 0 else 1
                blocks.append(InvertedResidual(channels, group.channels, stride, group.expansion, group.kernel, **convention))
                channels = group.channels
        self.blocks = nn.SequentialCell(blocks)
        self.last = ConvBNReLU6(channels, out_channels, **convention)
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


def initialise(network: nn.Cell, seed: int) -> None:
    """Set every weight of a convolutional network anew, the same values for the same seed.

    Convolutions: normal with variance 2 / fan-out (He et al. 2015, arXiv:1502.01852), where fan-out counts the outputs that
    one input feeds, so a depthwise kernel's is its area. Batch norm: gamma 1, beta 0.
    """
    rng = np.random.default_rng(seed)
    for _, cell in network.cells_and_names():
        if isinstance(cell, nn.Conv2d):
            height, width = cell.kernel_size
            sigma = math.sqrt(2 / (height * width * cell.out_channels // cell.group))
            cell.weight.set_data(Tensor(rng.normal(0.0, sigma, cell.weight.shape).astype(np.float32)))
        elif isinstance(cell, nn.BatchNorm2d):
            cell.gamma.set_data(Tensor(np.ones(cell.gamma.shape, np.float32)))
            cell.beta.set_data(Tensor(np.zeros(cell.beta.shape, np.float32)))


def fold_batch_norms(network: nn.Cell) -> None:
    """Fold every batch norm of a network that will only be run, not trained, into the convolution before it."""
    for _, cell in network.cells_and_names():
        if isinstance(cell, ConvBN):
            cell.fold()


def unfolded_parameters(network: nn.Cell) -> dict[str, NDArray[np.float32]]:
    """Return the parameters of a network whose batch norms are folded, as one with batch norms has them: the same outputs.

    Each batch norm adds the bias and leaves the rest as it is: its variance and epsilon sum to 1.
    """
    parameters: dict[str, NDArray[np.float32]] = {}
    for name, cell in network.cells_and_names():
        if isinstance(cell, ConvBN):
            bias, ones = cell.conv.bias.asnumpy(), np.ones(cell.conv.out_channels, np.float32)
            norm = {"gamma": ones, "beta": bias, "moving_mean": 0 * ones, "moving_variance": (1 - cell.eps) * ones}
            parameters[f"{name}.conv.weight"] = cell.conv.weight.asnumpy()
            parameters |= {f"{name}.bn.{variable}": values.astype(np.float32) for variable, values in norm.items()}
    return parameters
