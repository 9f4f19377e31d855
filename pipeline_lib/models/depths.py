"""Features from several depths of a backbone (Head2Toe: Evci et al. 2022, arXiv:2201.03529)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mindspore import Tensor, nn, ops

from pipeline_lib.models.architecture import Architecture
from pipeline_lib.models.layers import GlobalAveragePooling


class Stretch(nn.Cell):
    """Consecutive parts of a backbone, with pooling behind the expanded activations of some of them.

    Attributes:
        pooled_width: Number of pooled values of an image.

    Args:
        backbone: The network, of this architecture.
        architecture: Knows the names of its parts.
        depths: Names of blocks of the whole network to pool, in its order; ``InvertedResidual`` each.
        start: Number of the first part, 0 for the first one of the network.
        stop: Number of the part behind the last one; None for the end of the network.
    """

    def __init__(
        self, backbone: nn.Cell, architecture: Architecture, depths: Sequence[str], start: int = 0, stop: int | None = None
    ) -> None:
        super().__init__()
        parts, names = dict(backbone.cells_and_names()), architecture.blocks[start:stop]
        self.parts = nn.CellList([parts[name] for name in names])
        self._tapped = tuple(name in depths for name in names)
        self.pooled_width: int = sum(parts[name].expand.conv.out_channels for name in names if name in depths)
        self.pool = GlobalAveragePooling()

    def construct(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the maps that the last part gives for those of the part before the first, and what was pooled, (n, c) each."""
        pooled: tuple[Tensor, ...] = ()
        for tapped, part in zip(self._tapped, self.parts):  # noqa: B905  # a compiled graph knows no strict
            if tapped:
                expanded = part.expand(x)
                pooled = (*pooled, self.pool(expanded))
                x = part.contract(x, expanded)
            else:
                x = part(x)
        return x, pooled


class PooledBackbone(nn.Cell):
    """A backbone with pooling behind its last maps, and behind the expanded activations of some of its blocks.

    Attributes:
        width: Features of an image.

    Args:
        backbone: The network, of this architecture.
        architecture: Knows the names of its parts.
        depths: Names of the blocks, in the order of the network; ``InvertedResidual`` each.
    """

    def __init__(self, backbone: nn.Cell, architecture: Architecture, depths: Sequence[str]) -> None:
        super().__init__()
        self.stretch = Stretch(backbone, architecture, depths)
        self.width: int = backbone.out_channels + self.stretch.pooled_width
        self.pool = GlobalAveragePooling()
        self.concatenate = ops.Concat(axis=1)

    def construct(self, x: Tensor) -> Tensor:
        """Map prepared images (n, 3, h, w) to features (n, width): those of the last maps, then those of the depths."""
        x, pooled = self.stretch(x)
        return self.concatenate((self.pool(x), *pooled))


class Mirrored(nn.Cell):
    """A backbone whose features of an image are the mean of those of the image and of its mirror image.

    Attributes:
        width: Features of an image.

    Args:
        backbone: What is asked twice.
        size: Side of the square images in pixels.
    """

    def __init__(self, backbone: PooledBackbone, size: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.width = backbone.width
        self.concatenate, self.gather = ops.Concat(axis=0), ops.Gather()
        self._backwards = Tensor(np.arange(size - 1, -1, -1, dtype=np.int32))

    def construct(self, x: Tensor) -> Tensor:
        """Map prepared images (n, 3, size, size) to features (n, width)."""
        both = self.backbone(self.concatenate((x, self.gather(x, self._backwards, 3))))
        return both.reshape((2, -1, self.width)).mean(axis=0)
