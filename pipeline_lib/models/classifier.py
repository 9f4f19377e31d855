"""The classifier on pooled features: what is trained while the backbone is frozen."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops

DENSE_SIGMA = 0.01
"""Standard deviation of a dense layer's first weights: small, so that training starts near uniform probabilities."""


class ByNoise(nn.Cell):
    """Features z and the level t of noise become z, z t and t: a dense layer behind it changes its weights with the noise."""

    def __init__(self) -> None:
        super().__init__()
        self.concatenate = ops.Concat(axis=1)

    def construct(self, x: Tensor) -> Tensor:
        """Map features and the level behind them, (n, width + 1), to (n, 2 width + 1)."""
        features, level = x[:, :-1], x[:, -1:]
        return self.concatenate((features, features * level, level))


class Classifier(nn.Cell):
    """One dense layer, or two with ReLU between: what is trained on cached features.

    Attributes:
        width: Length of a feature vector.
        noise_aware: Whether the level of noise is behind it.

    Args:
        input_channel: Length of a feature vector.
        num_classes: Number of classes.
        hidden: Units of the hidden layer; 0 = a single dense layer.
        noise_aware: Whether the image's level of noise is behind its features, see ``ByNoise``.
        seed: Seed of the first weights.
    """

    def __init__(
        self, input_channel: int, num_classes: int, hidden: int = 0, *, noise_aware: bool = False, seed: int = 0
    ) -> None:
        super().__init__()
        self.width, self.noise_aware = input_channel, noise_aware
        self.by_noise = ByNoise() if noise_aware else nn.Identity()
        inputs = 2 * input_channel + 1 if noise_aware else input_channel
        self.hidden = nn.SequentialCell(nn.Dense(inputs, hidden), nn.ReLU()) if hidden else nn.Identity()
        self.output = nn.Dense(hidden or inputs, num_classes)
        _initialise(self, seed)

    def construct(self, x: Tensor) -> Tensor:
        """Map pooled features, (n, input_channel) or one more with the level of noise, to logits (n, num_classes)."""
        return self.output(self.hidden(self.by_noise(x)))


def _initialise(network: nn.Cell, seed: int) -> None:
    """Set every weight of the dense layers anew, normal with :data:`DENSE_SIGMA`, and every bias to 0."""
    rng = np.random.default_rng(seed)
    for _, cell in network.cells_and_names():
        if isinstance(cell, nn.Dense):
            cell.weight.set_data(Tensor(rng.normal(0.0, DENSE_SIGMA, cell.weight.shape).astype(np.float32)))
            cell.bias.set_data(Tensor(np.zeros(cell.bias.shape, np.float32)))
