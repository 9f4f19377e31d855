"""A backbone cut in two: a frozen part, which runs once, and a tail, which is trained together with the classifier.

What the frozen part gives is one flat row per image: the maps at the cut, then what is pooled of the depths before it. So
activations are kept and read like features, and a row of them is all that the tail needs. A cut before the first part leaves
nothing frozen: the row is the prepared image itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import mindspore
from mindspore import Tensor, nn, ops

from pipeline_lib.errors import PipelineError, nearest
from pipeline_lib.models.architecture import Architecture
from pipeline_lib.models.depths import Stretch
from pipeline_lib.models.layers import GlobalAveragePooling

NOTHING = "none"
"""Name of the cut before the first part: nothing is frozen."""

AFTER = "after:"
"""Before the name of a part: what comes after it is frozen, instead of what comes before."""


def trained_parts(architecture: Architecture, frozen: str) -> range:
    """Return the numbers of the parts that are trained.

    Args:
        architecture: Knows the names of the parts.
        frozen: Name of the last part that is frozen, `NOTHING`, or `AFTER` and the name of the last part that is not.

    Raises:
        PipelineError: There is no part of that name, or none behind it.
    """
    names = architecture.blocks[:-1]
    if frozen == NOTHING:
        return range(len(architecture.blocks))
    if (name := frozen.removeprefix(AFTER)) in names:
        number = names.index(name) + 1
        return range(number) if frozen.startswith(AFTER) else range(number, len(architecture.blocks))
    near = nearest(frozen, [*names, *(AFTER + each for each in names), NOTHING])
    advice = f"did you mean {near!r}?" if near else f"it has {NOTHING}, {names[0]} and so on up to {names[-1]}"
    raise PipelineError(f"tune.freeze={frozen!r} is no part of {architecture.name} that can be frozen; {advice}")


def position(architecture: Architecture, frozen: str) -> int:
    """Return the number of the first part that is trained, 0 for the first of the network; see `trained_parts`."""
    return trained_parts(architecture, frozen).start


class FrozenPart(nn.Cell):
    """The parts of a backbone before a cut: prepared images in, rows out.

    Args:
        backbone: The network, of this architecture.
        architecture: Knows the names of its parts.
        depths: Names of the blocks whose expanded activations are pooled, in the order of the network.
        cut: Number of the first part that is not in it, see `position`.
    """

    def __init__(self, backbone: nn.Cell, architecture: Architecture, depths: Sequence[str], cut: int) -> None:
        super().__init__()
        self.stretch = Stretch(backbone, architecture, depths, 0, cut)
        self.flatten = nn.Flatten()
        self.concatenate = ops.Concat(axis=1)

    def construct(self, x: Tensor) -> Tensor:
        """Map prepared images (n, 3, h, w) to rows (n, width), float16."""
        x, pooled = self.stretch(x)
        return ops.cast(self.concatenate((self.flatten(x), *pooled)), mindspore.float16)


class Tail(nn.Cell):
    """The parts of a backbone behind a cut, and the pooling: rows in, the features of the whole backbone out.

    Attributes:
        width: Features of an image.

    Args:
        backbone: The network, of this architecture.
        architecture: Knows the names of its parts.
        depths: Names of the blocks whose expanded activations are pooled, in the order of the network.
        cut: Number of its first part, see `position`.
        shape: Of the maps at the cut, (channels, height, width).
    """

    def __init__(
        self, backbone: nn.Cell, architecture: Architecture, depths: Sequence[str], cut: int, shape: tuple[int, int, int]
    ) -> None:
        super().__init__()
        self.stretch = Stretch(backbone, architecture, depths, cut)
        self._before = Stretch(backbone, architecture, depths, 0, cut).pooled_width
        self.width: int = backbone.out_channels + self._before + self.stretch.pooled_width
        self._shape, self._size = shape, math.prod(shape)
        self.pool = GlobalAveragePooling()
        self.concatenate = ops.Concat(axis=1)

    def construct(self, rows: Tensor) -> Tensor:
        """Map rows (n, width of a row) to features (n, width), in the order of ``PooledBackbone``."""
        x, pooled = self.stretch(rows[:, : self._size].reshape((-1, *self._shape)))
        before = (rows[:, self._size :],) if self._before else ()  # MindSpore cannot cut out nothing
        return self.concatenate((self.pool(x), *before, *pooled))
