"""The digits that scikit-learn ships: small, embedded, and not MNIST."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline_lib.data.imagefolder import set_test_aside
from pipeline_lib.mnist.arrays import SIDE
from pipeline_lib.mnist.numbered import numbered
from pipeline_lib.mnist.source import ArraySource, Given, Read
from pipeline_lib.stages.key import Code

NAMES = ("digits",)
WHAT = "the 1,797 handwritten digits that scikit-learn ships (UCI, 8 x 8 pixels), scaled to 28 x 28; this is not MNIST"


def find(dataset: str, downloads: Path) -> ArraySource | None:
    """Return the digits under their name; None for any other name."""
    if dataset not in NAMES:
        return None
    return ArraySource(
        name=dataset,
        kind="digits",
        location="",
        fingerprint="digits",
        readers=(Code(__name__, "read"),),
        title="scikit-learn's digits (not MNIST)",
        what=WHAT,
        needs=("data",),
    )


def read(given: Given) -> Read:
    """Return scikit-learn's digits; the last ones of each class become test: one writer's digits are next to each other."""
    from sklearn.datasets import load_digits  # slow to import, and other datasets do without

    bunch = load_digits()
    images = np.stack([_enlarged(image) for image in bunch.images])
    labels = bunch.target.astype(np.int64)
    sides = [set_test_aside(np.flatnonzero(labels == label).tolist(), given.data.test_share) for label in range(10)]
    rows = {name: np.sort(np.concatenate([side[at] for side in sides])) for at, name in enumerate(("train", "test"))}
    classes = [str(number) for number in range(10)]
    splits = {name: numbered(name, images[chosen], labels[chosen], classes) for name, chosen in rows.items()}
    return Read(splits, classes, {"test_split": "set aside"})


def _enlarged(image: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return an 8 x 8 image of values 0..16 at 28 x 28 and 0..255."""
    small = Image.fromarray(np.rint(image * (255 / 16)).astype(np.uint8))
    return np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
