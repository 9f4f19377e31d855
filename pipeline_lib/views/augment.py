"""Augmented views: noise and rotation that depend on the seed, the image's content and the view, and on nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline_lib.images.prepare import fit
from pipeline_lib.images.read import read_image
from pipeline_lib.stages.kept import Kept
from pipeline_lib.views.folder import Original, ViewFolder
from pipeline_lib.views.view import ARCHIVE, VIEW_INDEX, View

# 4:4:4 at 95 keeps the noise, which chroma subsampling would smooth, at about a third of PNG's size.
JPEG = {"quality": 95, "subsampling": 0}


def augment(image: Image.Image, view: View, rng: np.random.Generator, size: int) -> tuple[Image.Image, dict[str, float]]:
    """Return an augmented copy of an RGB image, ``size`` x ``size`` pixels, and what was drawn for it.

    Noise comes last, at the size the network sees: resizing afterwards would average it away.
    """
    area, x, y, mirrored, turn, light, noise = rng.uniform(size=7)
    drawn = {
        "sigma": _between(*view.sigma, noise),
        "angle": _between(-view.angle_max, view.angle_max, turn),
        "flip": float(mirrored < view.flip),
        "crop": _between(view.crop_min, 1.0, area),
        "brightness": _between(1 - view.brightness, 1 + view.brightness, light),
    }
    picture = fit(_crop(image, drawn["crop"], x, y), size)
    if drawn["flip"]:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture = picture.rotate(drawn["angle"], Image.Resampling.BILINEAR)
    pixels = np.asarray(picture, np.float32) * np.float32(drawn["brightness"])
    pixels += np.float32(drawn["sigma"]) * rng.standard_normal(pixels.shape, np.float32)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)), drawn


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


def _crop(image: Image.Image, area: float, x: float, y: float) -> Image.Image:
    """Return the part of ``image`` that has its aspect and ``area`` of its area, at the relative position x, y."""
    if area >= 1:
        return image
    width, height = (max(1, round(side * area**0.5)) for side in image.size)
    left, top = round((image.width - width) * x), round((image.height - height) * y)
    return image.crop((left, top, left + width, top + height))


def generator(seed: int, sha256: str, view: str) -> np.random.Generator:
    """Return the generator of one image in one view: independent of order and neighbours."""
    digest = hashlib.sha256(f"{seed}/{sha256}/{view}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def write_views(
    folder: Path, images: Sequence[Original], views: Sequence[View], *, seed: int, size: int, previous: Kept | None = None
) -> int:
    """Write every view of every image; return how many images were augmented.

    The images of a view are ``folder/<view>/<class>/<stem>.jpg``, or in ``folder/<view>/images.zip`` when it is packed. Each
    view gets an ``index.csv``: image, file, sha256 of the original and of the copy, and what was drawn (sigma of 255, angle in
    degrees, flip 0/1, crop as share of the area, brightness factor). Nothing is kept in memory but one image.

    ``previous`` is a result that was written with the same views, seed and size: copies of images that it knows, and that are
    what was recorded, are taken from there.
    """
    known = {view.name: _intact(previous, view) for view in views} if previous else {}
    computed = 0
    with ExitStack() as stack:
        folders = {view.name: stack.enter_context(ViewFolder(folder / view.name, packed=view.packed)) for view in views}
        for original in sorted(images, key=lambda original: original.image):
            if known and all(original.sha256 in before.rows for before in known.values()):
                for name, target in folders.items():
                    target.take(original, known[name])
            else:
                _draw(folders, original, views, seed, size)
                computed += 1
    return computed


def _intact(previous: Kept, view: View) -> ViewFolder:
    """Return a view of a shard with those of its rows whose images are what was recorded."""
    path = previous.folder / view.name
    if not previous.is_intact(f"{view.name}/{VIEW_INDEX}"):
        return ViewFolder(path, view.packed)
    before = ViewFolder.read(path)
    if view.packed:
        whole = previous.is_intact(f"{view.name}/{ARCHIVE}")
        return before if whole else ViewFolder(path, view.packed)
    rows = {sha256: row for sha256, row in before.rows.items() if previous.is_intact(f"{view.name}/{row['file']}")}
    return ViewFolder(path, view.packed, rows)


def _draw(folders: dict[str, ViewFolder], original: Original, views: Sequence[View], seed: int, size: int) -> None:
    """Add every view of an image."""
    image = read_image(original.path)
    for view in views:
        copy, drawn = augment(image, view, generator(seed, original.sha256, view.name), size)
        content = BytesIO()
        copy.save(content, "JPEG", **JPEG)
        folders[view.name].add(original, content.getvalue(), {key: round(value, 4) for key, value in drawn.items()})
