"""A script of nights: what arrives in a folder of photographs, while a part of them is never shown to the product."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from pipeline_lib.files.table import read_table

HELD_OUT, TEST, FIRST = 0.3, 0.1, 0.3
"""Shares of each class's sources; the rest arrives later, in `CHUNKS` chunks."""

CHUNKS = 8
BLUR = 6
"""Standard deviation of a blurred camera, in pixels at a side of 224."""


@dataclass(frozen=True)
class Photo:
    """A photograph: its file, class, a name that no other one has, and its source."""

    path: Path
    label: str
    name: str
    source: int


@dataclass
class World:
    """Photographs by source: ``held_out`` ones, those of ``test``, and those of train as they arrive.

    Attributes:
        root: The dataset that the product is given.
        held_out: A folder of classes that it never sees.
        first: What is there on the first night.
        chunks: What arrives later.
        source_of: The source of each file in ``held_out`` by its path in there.
    """

    root: Path
    held_out: Path
    first: list[Photo]
    chunks: list[list[Photo]]
    source_of: Mapping[str, int]
    aside: Path = field(init=False)

    def __post_init__(self) -> None:
        self.aside = self.root.parent / "aside"

    @property
    def classes(self) -> list[str]:
        return sorted(folder.name for folder in (self.root / "train").iterdir())

    def add(self, photos: Sequence[Photo]) -> None:
        for photo in photos:
            link(photo, self.root / "train" / photo.label)

    def add_mislabelled(self, photos: Sequence[Photo]) -> None:
        """Put photographs among the next class."""
        for photo in photos:
            link(photo, self.root / "train" / self._next(photo.label))

    def correct(self, photos: Sequence[Photo]) -> None:
        for photo in photos:
            (self.root / "train" / self._next(photo.label) / photo.name).unlink()
        self.add(photos)

    def add_blurred(self, photos: Sequence[Photo]) -> None:
        for photo in photos:
            with Image.open(photo.path) as picture:
                radius = BLUR * max(picture.size) / 224
                blurred = picture.convert("RGB").filter(ImageFilter.GaussianBlur(radius))
            blurred.save(self.root / "train" / photo.label / f"{Path(photo.name).stem}.png")

    def take(self, label: str, share: float) -> None:
        """Take a share of a class out of train, all of it with its photographs of test at 1."""
        for split in ("train", "test") if share == 1 else ("train",):
            files = sorted((self.root / split / label).iterdir())
            target = self.aside / split / label
            target.mkdir(parents=True)
            for file in files[: round(share * len(files))]:
                file.rename(target / file.name)
            if share == 1:
                (self.root / split / label).rmdir()

    def put_back(self) -> None:
        shutil.copytree(self.aside, self.root, dirs_exist_ok=True, copy_function=os.link)
        shutil.rmtree(self.aside)

    def _next(self, label: str) -> str:
        return self.classes[(self.classes.index(label) + 1) % len(self.classes)]


def link(photo: Photo, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    os.link(photo.path, folder / photo.name)


def divide(dataset: Path, sources: Path, root: Path) -> World:
    """Divide photographs by source.

    Args:
        dataset: A result of stage ``dataset``.
        sources: The result of stage ``sources`` on it.
        root: Where the world is made.
    """
    by_source: dict[str, list[Photo]] = {}
    for row in read_table(sources / "images.csv"):
        path = dataset / row["split"] / row["class"] / row["name"]
        name = f"{row['class']}-{row['split']}-{row['name']}"
        by_source.setdefault(row["source"], []).append(Photo(path, row["class"], name, int(row["source"])))
    by_class: dict[str, list[list[Photo]]] = {}
    for photos in by_source.values():
        by_class.setdefault(photos[0].label, []).append(photos)
    parts: list[list[Photo]] = [[] for _ in range(3 + CHUNKS)]
    rng = np.random.default_rng(1)
    for every in by_class.values():
        ends = np.cumsum([HELD_OUT, TEST, FIRST, *[(1 - HELD_OUT - TEST - FIRST) / CHUNKS] * CHUNKS]) * len(every)
        for place, number in enumerate(rng.permutation(len(every))):
            parts[min(int(np.searchsorted(ends, place + rng.random())), len(parts) - 1)] += every[number]
    held_out, test, first, *chunks = parts
    source_of = {f"{photo.label}/{photo.name}": photo.source for photo in held_out}
    world = World(root / "pictures", root / "held-out", first, chunks, source_of)
    for photo in held_out:
        link(photo, world.held_out / photo.label)
    for photo in test:
        link(photo, world.root / "test" / photo.label)
    return world


@dataclass(frozen=True)
class Night:
    """What happens before a run and to it.

    Attributes:
        arrival: In words.
        happens: What changes in the dataset.
        settings: Those of the run, beside the usual ones.
        edit: A file of the product and what of it is replaced by what; empty for none.
        killed: Whether the run is killed.
    """

    arrival: str
    happens: Callable[[World], None] = lambda world: None
    settings: Mapping[str, Any] = field(default_factory=dict)
    edit: tuple[str, str, str] | tuple[()] = ()
    killed: bool = False


RATE = "rate = self._schedule[self._number]"
SLOWED = f"{RATE} * np.float32(0.002)"
STEP = "pipeline_lib/training/dense.py"
BETTER = {"backbone.architecture": "efficientnet_lite0"}
CLASS = "Cans"


def script() -> list[Night]:
    """The nights."""
    return [
        Night("half of train", lambda world: world.add(world.first)),
        Night("growth", lambda world: world.add(world.chunks[0])),
        Night("nothing"),
        Night("growth", lambda world: world.add(world.chunks[1])),
        Night("a batch with wrong labels", lambda world: world.add_mislabelled(world.chunks[2])),
        Night("its labels are corrected", lambda world: world.correct(world.chunks[2])),
        Night("a blurred camera", lambda world: world.add_blurred(world.chunks[3])),
        Night("growth", lambda world: world.add(world.chunks[4])),
        Night("growth; the run is killed", lambda world: world.add(world.chunks[5]), killed=True),
        Night("nothing"),
        Night("`train.epochs=2`", settings={"train.epochs": 2, "train.warmup_epochs": 0}),
        Night("growth; the setting is taken back", lambda world: world.add(world.chunks[6])),
        Night(f"60 % of {CLASS} are gone", lambda world: world.take(CLASS, 0.6)),
        Night("they are back", World.put_back),
        Night("an edit that slows training down", edit=(STEP, RATE, SLOWED)),
        Night("the edit is taken back", edit=(STEP, SLOWED, RATE)),
        Night(f"the class {CLASS} is gone", lambda world: world.take(CLASS, 1)),
        Night("it is back", World.put_back),
        Night("a better backbone", settings=BETTER),
        Night("growth, with it", lambda world: world.add(world.chunks[7]), settings=BETTER),
    ]
