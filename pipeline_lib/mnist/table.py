"""A split of small images as the table that training and evaluation read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.images.prepare import GreyPreprocessing
from pipeline_lib.mnist.arrays import Split
from pipeline_lib.views.view import CLEAN


class PixelTable:
    """A split as the table that training reads; see ``FeatureTable``. Every image is there once, as it is.

    Attributes:
        images: Keys, (n,) str.
        labels: Class ids, (n,) int64.
        views: ``clean`` n times.
        width: Pixels an image.
        noise_aware: False.
    """

    def __init__(self, split: Split, preprocessing: GreyPreprocessing) -> None:
        self._pixels = np.array(split.images)
        self._preprocessing = preprocessing
        self.images: NDArray[Any] = np.array(split.keys)
        self.labels: NDArray[Any] = split.labels
        self.views: NDArray[Any] = np.full(len(split.keys), CLEAN.name)
        self.width = self._pixels[0].size
        self.noise_aware = False

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the images of these rows as the network takes them, a fresh array (len(indices), 1, side, side)."""
        return self._preprocessing.scaled(self._pixels[indices])
