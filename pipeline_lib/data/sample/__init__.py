"""The embedded sample dataset: procedural pictures of the 26 classes, made when they are asked for, no download needed."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline_lib.data.sample import handheld, household, metal, nature, sheets, vessels
from pipeline_lib.data.sample.scene import Model, photograph
from pipeline_lib.errors import PipelineError

__all__ = ["draw", "write_sample"]

_SIZE = 224
_JPEG_QUALITY = 92

_MAKERS: dict[str, Callable[[np.random.Generator], Model]] = {
    "Banana Peel": nature.banana_peel,
    "Basketball": household.basketball,
    "Battery": metal.battery,
    "Broom": household.broom,
    "Cans": metal.cans,
    "Cardboard": sheets.cardboard,
    "Ceramic Bowl": vessels.ceramic_bowl,
    "Dirty Cloth": sheets.dirty_cloth,
    "Disposable Chopsticks": handheld.disposable_chopsticks,
    "Eggshell": nature.eggshell,
    "Fluorescent lamp": household.fluorescent_lamp,
    "Glass Bottle": vessels.glass_bottle,
    "Glassware": vessels.glassware,
    "Hats": household.hats,
    "Lighter": handheld.lighter,
    "Metalware": metal.metalware,
    "Newspaper": sheets.newspaper,
    "Old Mirror": household.old_mirror,
    "Orange Peel": nature.orange_peel,
    "Paint bucket": metal.paint_bucket,
    "Paper": sheets.paper,
    "Plastic Bottle": vessels.plastic_bottle,
    "Seashell": nature.seashell,
    "Tablet capsules": handheld.tablet_capsules,
    "Toothbrush": handheld.toothbrush,
    "Vegetable Leaf": nature.vegetable_leaf,
}


def draw(class_name: str, rng: np.random.Generator, size: int = _SIZE) -> Image.Image:
    """Draw one picture.

    Args:
        class_name: One of the 26 classes.
        rng: Source of everything that varies: shape, colour, pose, background, light, camera.
        size: Side in pixels, even.

    Returns:
        An RGB picture.

    Raises:
        PipelineError: The class is not one of the 26.
    """
    if class_name not in _MAKERS:
        raise PipelineError(f"The sample has no class {class_name!r}; it knows {', '.join(sorted(_MAKERS))}.")
    return photograph(_MAKERS[class_name](rng), rng, size)


def write_sample(folder: Path, *, train_images: int, test_images: int, seed: int) -> None:
    """Write ``folder/train/<Class>/NNNN.jpg`` and ``folder/test/<Class>/NNNN.jpg``, 224x224.

    A picture follows from the seed, its split, its class and its number alone: it has the same bytes however many others are made.

    Args:
        folder: Where to write; made when missing.
        train_images: Training pictures a class.
        test_images: Test pictures a class.
        seed: Not negative.
    """
    wanted = [
        (split, name, number)
        for split, count in (("train", train_images), ("test", test_images))
        for name in _MAKERS
        for number in range(count)
    ]
    for split, name in sorted({(split, name) for split, name, _ in wanted}):
        (folder / split / name).mkdir(parents=True, exist_ok=True)

    def write(job: tuple[str, str, int]) -> None:
        split, name, number = job
        rng = np.random.default_rng([seed, zlib.crc32(split.encode()), zlib.crc32(name.encode()), number])
        draw(name, rng).save(folder / split / name / f"{number:04d}.jpg", quality=_JPEG_QUALITY)

    for job in wanted:
        write(job)
