"""A small head training for the tests.

As a program, ``python small_training.py FOLDER``, it writes the number of steps done every few steps and goes on when it
reads a line, so that a test decides where exactly it is killed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.settings.sections import TrainSettings

CLASSES = ("ant", "bee", "cat")
WIDTH = 12
SETTINGS = TrainSettings(
    epochs=12,
    warmup_epochs=2,
    batch=4,
    lr_max=0.02,
    weight_decay=1e-4,
    label_smoothing=0.1,
    dropout=0.2,
    val_share=0.1,
    patience=6,
    checkpoint_every=2,
    keep_checkpoints=3,
)


class MemoryTable:
    """Features in memory; images of a class lie around its centre, augmented views farther away than clean ones."""

    def __init__(self, images: int = 40, views: Sequence[str] = ("clean", "aug1"), seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        centres = random.normal(size=(len(CLASSES), WIDTH))
        keys = [f"train/{name}/{number:03d}.jpg" for name in CLASSES for number in range(images)]
        ids = np.repeat(np.arange(len(CLASSES)), images)
        self.images: NDArray[Any] = np.array(keys * len(views))
        self.labels: NDArray[Any] = np.tile(ids, len(views))
        self.views: NDArray[Any] = np.repeat(np.array(views), len(keys))
        spread = np.where(self.views == "clean", 1.0, 2.0)[:, None]
        noise = spread * random.normal(size=(len(self.labels), WIDTH))
        self.features: NDArray[np.float32] = (centres[self.labels] + noise).astype(np.float32)
        self.width = WIDTH
        self.noise_aware = False

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = self.features[indices]
        return rows


def train(folder: Path, settings: TrainSettings = SETTINGS, seed: int = 1, **options: Any) -> dict[str, Any]:
    from pipeline_lib.training.head import train_head

    return train_head(folder, MemoryTable(), CLASSES, {}, settings, seed, **options)


def report_and_wait(done: int, total: int, text: str) -> None:
    sys.stdout.write(f"{done}\n")
    sys.stdout.flush()
    sys.stdin.readline()


if __name__ == "__main__":
    train(Path(sys.argv[1]), progress=report_and_wait)
