"""The embedded sample dataset: procedural pictures of the 26 classes, made when they are asked for, without a download."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline_lib.data.sample import handheld, headwear, household, metal, nature, peel, sheets, vessels
from pipeline_lib.data.sample.scene import Model, photograph
from pipeline_lib.errors import PipelineError

__all__ = ["draw", "write_sample"]

_SIZE = 224
_JPEG_QUALITY = 92

_MAKERS: dict[str, Callable[[np.random.Generator], Model]] = {
    "Banana Peel": peel.banana_peel,
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
    "Hats": headwear.hats,
    "Lighter": handheld.lighter,
    "Metalware": metal.metalware,
    "Newspaper": sheets.newspaper,
    "Old Mirror": household.old_mirror,
    "Orange Peel": peel.orange_peel,
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
        rng: Source of all that varies: shape, colour, pose, background, light, camera.
        size: Side in pixels.

    Returns:
        An RGB picture.

    Raises:
        PipelineError: The class is not one of the 26.
    """
    if class_name not in _MAKERS:
        raise PipelineError(f"the sample has no class {class_name!r}; choose one of {', '.join(_MAKERS)}")
    return photograph(_MAKERS[class_name](rng), rng, size)


def write_sample(folder: Path, *, train_images: int, test_images: int, seed: int) -> None:
    """Write ``folder/train/<Class>/NNNN.jpg`` and ``folder/test/<Class>/NNNN.jpg``, 224 x 224.

    A picture follows from the seed, its split, its class and its number alone, so its bytes are the same however many others
    are made.

    Args:
        folder: Where to write; made when missing.
        train_images: Training pictures a class.
        test_images: Test pictures a class.
        seed: Seed, 0 or more.
    """
    for split, count in (("train", train_images), ("test", test_images)):
        for name in _MAKERS:
            place = folder / split / name
            place.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                picture = draw(name, _generator(seed, split, name, number))
                picture.save(place / f"{number:04d}.jpg", quality=_JPEG_QUALITY)


def _generator(seed: int, split: str, name: str, number: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(split.encode()), zlib.crc32(name.encode()), number])
