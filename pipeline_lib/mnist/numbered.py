"""Images without names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.mnist.arrays import Split


def numbered(split: str, images: NDArray[np.uint8], labels: NDArray[np.int64], classes: Sequence[str]) -> Split:
    """Return a split whose images are named by their position, which keeps neighbours together."""
    digits = len(str(len(labels) - 1))
    keys = [f"{split}/{classes[label]}/{number:0{digits}d}" for number, label in enumerate(labels.tolist())]
    return Split(images, labels, keys)
