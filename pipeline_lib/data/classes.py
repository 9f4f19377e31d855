"""The 26 classes of household garbage and the bin each one belongs in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Bin = Literal["recyclable", "residual", "hazardous", "food"]

CLASSES_OF_BIN: dict[Bin, tuple[str, ...]] = {
    "recyclable": (
        "Plastic Bottle",
        "Hats",
        "Newspaper",
        "Cans",
        "Glassware",
        "Glass Bottle",
        "Cardboard",
        "Basketball",
        "Paper",
        "Metalware",
    ),
    "residual": (
        "Disposable Chopsticks",
        "Lighter",
        "Broom",
        "Old Mirror",
        "Toothbrush",
        "Dirty Cloth",
        "Seashell",
        "Ceramic Bowl",
    ),
    "hazardous": ("Paint bucket", "Battery", "Fluorescent lamp", "Tablet capsules"),
    "food": ("Orange Peel", "Vegetable Leaf", "Eggshell", "Banana Peel"),
}

CLASSES: tuple[str, ...] = tuple(sorted(name for names in CLASSES_OF_BIN.values() for name in names))

_BIN_OF_CLASS: dict[str, Bin] = {name.casefold(): bin_ for bin_, names in CLASSES_OF_BIN.items() for name in names}


def bin_of(class_name: str) -> Bin | None:
    """Return the bin of a class, letter case aside; None for a class that is not one of the 26."""
    return _BIN_OF_CLASS.get(class_name.casefold())


def bins_of(classes: Sequence[str]) -> tuple[Bin, ...] | None:
    """Return the bin of every class, or None unless each of them has one: a share over some classes would mislead."""
    bins = [bin_ for name in classes if (bin_ := bin_of(name))]
    return tuple(bins) if len(bins) == len(classes) else None
