"""LeNet-5 (LeCun et al. 1998, "Gradient-based learning applied to document recognition", Proc. IEEE 86) for 28 x 28 images."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from mindspore import Tensor, nn
from pydantic import Field, field_validator

from pipeline_lib.files.description import Description, Temperature
from pipeline_lib.images.prepare import GreyPreprocessing
from pipeline_lib.mnist.arrays import SIDE

NAME = "network"

Form = Literal["report", "classic"]


class LeNet5(nn.Cell):
    """Two convolutions with pooling, three dense layers.

    1 x 28 x 28 -> 6 @ 24 x 24 -> 6 @ 12 x 12 -> 16 @ 8 x 8 -> 16 @ 4 x 4 -> 120 -> 84 -> classes. Layers bear the paper's
    names. Unlike the paper's, C3 sees all maps of S2, pooling has no weights, and the output is a dense layer of logits.

    Args:
        num_classes: Number of classes.
        form: "report" has ReLU and max pooling, "classic" tanh and average pooling.
        seed: Seed of the first weights.
    """

    def __init__(self, num_classes: int = 10, form: Form = "report", *, seed: int = 0) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 5, pad_mode="valid", has_bias=True)
        self.c3 = nn.Conv2d(6, 16, 5, pad_mode="valid", has_bias=True)
        self.pool = nn.MaxPool2d(2, 2) if form == "report" else nn.AvgPool2d(2, 2)
        self.activation = nn.ReLU() if form == "report" else nn.Tanh()
        self.flatten = nn.Flatten()
        self.c5 = nn.Dense(256, 120)
        self.f6 = nn.Dense(120, 84)
        self.output = nn.Dense(84, num_classes)
        initialise(self, 2.0 if form == "report" else 1.0, seed)

    def construct(self, x: Tensor) -> Tensor:
        """Map images (n, 1, 28, 28), values 0..1, to logits (n, num_classes)."""
        x = self.pool(self.activation(self.c1(x)))
        x = self.pool(self.activation(self.c3(x)))
        x = self.activation(self.c5(self.flatten(x)))
        return self.output(self.activation(self.f6(x)))


class NetworkSpec(Description):
    """All that is needed to rebuild a network around its checkpoint; ``network.json`` beside ``network.ckpt``."""

    form: Form = Field(description="Form of LeNet-5.")
    classes: tuple[str, ...] = Field(min_length=1, description="Names of the classes in the order of the outputs.")
    preprocessing: GreyPreprocessing
    temperature: Temperature
    best_epoch: int = Field(ge=1, description="Epoch after which the parameters were taken.")
    parameters: int = Field(ge=1, description="Values in the checkpoint.")

    @field_validator("preprocessing")
    @classmethod
    def _fits(cls, preprocessing: GreyPreprocessing) -> GreyPreprocessing:
        if preprocessing.size != SIDE:
            raise ValueError(f"LeNet-5 takes images of {SIDE} x {SIDE} pixels, not {preprocessing.size} x {preprocessing.size}")
        return preprocessing


def initialise(network: nn.Cell, gain: float, seed: int) -> None:
    """Set all weights of convolutions and dense layers anew: normal with variance gain / fan-in, biases 0.

    Gain 2 keeps the variance of the activations behind a ReLU, which halves it (He et al. 2015, arXiv:1502.01852), gain 1
    behind a tanh near 0, where it is the identity (LeCun et al. 1998, "Efficient BackProp", section 4.6).
    """
    rng = np.random.default_rng(seed)
    for _, cell in network.cells_and_names():
        if isinstance(cell, nn.Conv2d | nn.Dense):
            shape = cell.weight.shape
            sigma = math.sqrt(gain / math.prod(shape[1:]))
            _set(cell.weight, rng.normal(0.0, sigma, shape))
            _set(cell.bias, np.zeros(cell.bias.shape))


def _set(parameter: Any, values: Any) -> None:
    parameter.set_data(Tensor(values.astype(np.float32)))
