"""What an architecture is: a family of backbones as a value, which everything that handles a backbone is given."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from mindspore import nn

from pipeline_lib.models.spec import Convention, Padding


class Layout(NamedTuple):
    """How another library stores weights of an architecture.

    Attributes:
        source: The library, as ``BackboneSpec.source`` names files of it.
        container: The kind of file: HDF5, a MindSpore checkpoint, or PyTorch's.
        first: A name that is in every file of this layout and in no other one.
        name: Maps the name of a backbone's parameter to its name in the file.
        left_out: Names of what is in a file and not in the backbone, such as the classification layer.
        convention: What belongs to the weights beside their numbers.
    """

    source: str
    container: Literal["hdf5", "mindspore", "torch"]
    first: str
    name: Callable[[str], str]
    left_out: re.Pattern[str]
    convention: Convention


class Build(Protocol):
    """Makes the backbone of an architecture, its weights random."""

    def __call__(self, width: float, /, *, padding: Padding, bn_eps: float, seed: int) -> nn.Cell:
        """Return a network that maps prepared images (n, 3, h, w) to feature maps (n, out_channels, h / 32, w / 32).

        It has the attribute ``out_channels``, the number of features of an image.

        Args:
            width: Factor on the channels of the blocks.
            padding: Padding convention of the weights it is going to have.
            bn_eps: Batch norm's epsilon of these weights.
            seed: Seed of the random weights.
        """
        ...


@dataclass(frozen=True)
class Architecture:
    """A family of backbones.

    Attributes:
        name: What ``backbone.architecture`` and the specification of a model call it.
        build: Makes a network.
        blocks: Names of the network's parts, each of which takes what the one before it gives: where it can be cut.
        depths: Those of them whose expanded activations are worth pooling beside the last maps; ``InvertedResidual`` each.
        convention: Padding, epsilon and preparation of images where the weights are random and leave the choice.
        layouts: How weights of it are stored by other libraries.
    """

    name: str
    build: Build
    blocks: tuple[str, ...]
    depths: tuple[str, ...]
    convention: Convention
    layouts: tuple[Layout, ...]
