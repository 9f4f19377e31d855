"""Figures about the dataset."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline_lib.reporting.figures.canvas import BLUE, MUTED, PALETTE, SKY, WIDE, canvas, families, labels, png, style

# More bars than this do not fit on a page; the smallest classes are the ones worth seeing.
_MOST_BARS = 60
_COLOURS = (BLUE, SKY, *PALETTE[2:4])


def class_counts(counts: Mapping[str, Mapping[str, int]]) -> bytes:
    """Draw the number of images of every class, largest class first, one bar for each split; PNG.

    Args:
        counts: split -> class -> number of images, such as ``{"train": {"Cans": 80}, "test": {"Cans": 5}}``.
    """
    totals = {name: sum(split.get(name, 0) for split in counts.values()) for split in counts.values() for name in split}
    names = sorted(totals, key=lambda name: (-totals[name], name))[-_MOST_BARS:]
    figure = canvas(WIDE, 0.8 + 0.17 * len(names))
    axes = figure.add_subplot()
    style(axes, grid="x")
    places, start = np.arange(len(names)), np.zeros(len(names))
    for (split, images), colour in zip(counts.items(), _COLOURS, strict=False):
        sizes = np.array([images.get(name, 0) for name in names], float)
        axes.barh(places, sizes, left=start, height=0.68, color=colour, label=split)
        start += sizes
    for place, name, total in zip(places, names, start, strict=True):
        numbers = " + ".join(f"{images.get(name, 0):,}" for images in counts.values())
        axes.annotate(numbers, (total, place), (4, 0), textcoords="offset points", va="center", fontsize=8, color=MUTED)
    axes.set_yticks(places, labels(names), fontfamily=families())
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel("images" if len(names) == len(totals) else f"images ({len(names)} smallest of {len(totals)} classes)")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(counts), frameon=False, fontsize=8.5, labelcolor=MUTED)
    return png(figure)
