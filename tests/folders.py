"""Small image folders, drawn for a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Draw = Callable[..., Path]


@pytest.fixture
def draw() -> Draw:
    """Draw a small picture of random colours: ``draw(path, seed)``."""

    def drawn(path: Path, seed: int = 0, size: tuple[int, int] = (12, 8)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return drawn


@pytest.fixture
def make_dataset(draw: Draw) -> Draw:
    """Make an image folder: ``make_dataset(root, train={"Cans": 3}, test={"Cans": 1})``, images named 0.png, 1.png ..."""

    def made(root: Path, **splits: dict[str, int]) -> Path:
        for split, classes in splits.items():
            for number, (name, count) in enumerate(classes.items()):
                (root / split / name).mkdir(parents=True)
                for index in range(count):
                    draw(root / split / name / f"{index}.png", seed=1000 * number + index + 500 * (split == "test"))
        return root

    return made
