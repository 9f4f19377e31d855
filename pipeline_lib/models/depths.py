"""Features from several depths of a backbone (Head2Toe: Evci et al. 2022, arXiv:2201.03529)."""

from __future__ import annotations

from collections.abc import Sequence

from mindspore import Tensor, nn, ops

from pipeline_lib.models.architecture import Architecture
from pipeline_lib.models.layers import GlobalAveragePooling


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
        parts = dict(backbone.cells_and_names())
        ends = [architecture.blocks.index(name) for name in depths]
        starts = [0, *(end + 1 for end in ends)]
        between = zip(starts, [*ends, len(architecture.blocks)], strict=True)
        self.before = nn.CellList(
            [nn.SequentialCell([parts[name] for name in architecture.blocks[start:end]]) for start, end in between]
        )
        self.tapped = nn.CellList([parts[name] for name in depths])
        self.width: int = backbone.out_channels + sum(block.expand.conv.out_channels for block in self.tapped)
        self.pool = GlobalAveragePooling()
        self.concatenate = ops.Concat(axis=1)

    def construct(self, x: Tensor) -> Tensor:
        """Map prepared images (n, 3, h, w) to features (n, width): those of the last maps, then those of the depths."""
        pooled = []
        for number, block in enumerate(self.tapped):
            x = self.before[number](x)
            expanded = block.expand(x)
            pooled.append(self.pool(expanded))
            x = block.contract(x, expanded)
        pooled.insert(0, self.pool(self.before[-1](x)))
        return self.concatenate(pooled)
