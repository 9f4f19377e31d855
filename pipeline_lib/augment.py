"""Augmented views: noise and rotation that depend on the seed, the image's content and the view, and on nothing else."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline_lib.data.image import read_image
from pipeline_lib.links import link_or_copy
from pipeline_lib.models.preprocess import fit
from pipeline_lib.views import INDEX, View

# 4:4:4 at 95 keeps the noise, which chroma subsampling would smooth, at about a third of PNG's size.
JPEG = {"quality": 95, "subsampling": 0}

Row = dict[str, object]
"""One row of a view's index by its columns."""


@dataclass(frozen=True)
class Source:
    """An original image: its key ``<split>/<class>/<name>``, its file, and the sha256 of the file's bytes."""

    image: str
    path: Path
    sha256: str


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
    folder: Path, images: Sequence[Source], views: Sequence[View], *, seed: int, size: int, previous: Path | None = None
) -> int:
    """Write every view of every image to ``folder/<view>/<class>/<stem>.jpg``; return how many images were augmented.

    Each view gets an ``index.csv``: image, file, sha256 of the original, and what was drawn (sigma of 255, angle in
    degrees, flip 0/1, crop as share of the area, brightness factor). Nothing is kept in memory but one image.

    ``previous`` is a folder that was written with the same views, seed and size: copies of images that it knows are taken
    from there.
    """
    known = {view.name: _by_original(previous / view.name) for view in views} if previous else {}
    rows: dict[str, list[Row]] = {view.name: [] for view in views}
    computed = 0
    for source in sorted(images, key=lambda source: source.image):
        if known and all(source.sha256 in known[view.name] for view in views):
            drawn = {view.name: _take(folder / view.name, source, *known[view.name][source.sha256]) for view in views}
        else:
            drawn = _draw(folder, source, views, seed, size)
            computed += 1
        for name, row in drawn.items():
            rows[name].append(row)
    for view in views:
        _write_index(folder / view.name / INDEX, rows[view.name])
    return computed


def _draw(folder: Path, source: Source, views: Sequence[View], seed: int, size: int) -> dict[str, Row]:
    """Write every view of an image; return the index row of each by the view's name."""
    original = read_image(source.path)
    rows = {}
    for view in views:
        copy, drawn = augment(original, view, generator(seed, source.sha256, view.name), size)
        row = _row(source)
        copy.save(_place(folder / view.name, row), "JPEG", **JPEG)
        rows[view.name] = row | {key: round(value, 4) for key, value in drawn.items()}
    return rows


def _take(view: Path, source: Source, before: Path, known: Row) -> Row:
    """Link the copy of an image that stands in the folder ``before``, where its row is ``known``; return its row now."""
    row = known | _row(source)
    link_or_copy(before / str(known["file"]), _place(view, row))
    return row


def _row(source: Source) -> Row:
    """Return the columns of an image's row that do not depend on what is drawn."""
    _, class_name, name = source.image.split("/")
    return {"image": source.image, "file": f"{class_name}/{Path(name).stem}.jpg", "sha256": source.sha256}


def _place(view: Path, row: Row) -> Path:
    path = view / str(row["file"])
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _by_original(view: Path) -> dict[str, tuple[Path, Row]]:
    """Return the rows of a view that was written before, each with the view's folder, by the digest of the original."""
    with (view / INDEX).open(newline="", encoding="utf-8") as file:
        return {row["sha256"]: (view, dict(row)) for row in csv.DictReader(file)}


def _write_index(path: Path, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = ["image", "file", "sha256", "sigma", "angle", "flip", "crop", "brightness"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
