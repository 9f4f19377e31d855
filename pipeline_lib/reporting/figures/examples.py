"""Images with all that a network says of them: raw scores and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from pipeline_lib.reporting.figures.canvas import (
    BLUE,
    INK,
    MUTED,
    RULE,
    VERMILION,
    WIDE,
    canvas,
    families,
    label,
    labels,
    png,
    style,
)

# Above this many classes neither bars nor rows can be read.
_MOST_CLASSES = 16


@dataclass(frozen=True)
class Example:
    """An image, its class, and the network's outputs for it, an output a class."""

    image: Image.Image
    name: str
    logits: Sequence[float]
    probabilities: Sequence[float]


def examples(rows: Sequence[Example], classes: Sequence[str]) -> bytes | None:
    """Draw a row for each image: the image, its raw scores and its softmax probabilities as bars; PNG.

    The bar of the true class is blue; where the network says another class, that one is vermilion.

    Args:
        rows: What is drawn; None is returned without rows or with more classes than can be told apart.
        classes: Names of the classes, in the order of the outputs.
    """
    if not rows or len(classes) > _MOST_CLASSES:
        return None
    figure = canvas(WIDE, 0.5 + 0.82 * len(rows))
    grid = figure.subplots(len(rows), 3, width_ratios=[0.9, 4, 4], squeeze=False)
    scores = np.array([row.logits for row in rows])
    room = 0.32 * np.ptp(scores)  # for the numbers above and below the bars
    for number, (axes, row) in enumerate(zip(grid, rows, strict=True)):
        last = number == len(rows) - 1
        _picture(axes[0], row, classes)
        _bars(axes[1], row.logits, row, classes, named=last, text="{:.1f}")
        axes[1].set_ylim(min(scores.min(), 0) - room, scores.max() + room)
        _bars(axes[2], row.probabilities, row, classes, named=last, text="{:.3f}")
        axes[2].set_ylim(0, 1.35)
    for axes, title in zip(grid[0, 1:], ("Raw scores (logits)", "Softmax probabilities"), strict=True):
        style(axes, title)
        axes.set_yticks([])
    return png(figure)


def _picture(axes: Axes, row: Example, classes: Sequence[str]) -> None:
    style(axes)
    axes.imshow(np.asarray(row.image), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    said = classes[int(np.argmax(row.logits))]
    text = label(row.name, 12) if said == row.name else f"{label(row.name, 12)}\u2192{label(said, 12)}"
    colour = INK if said == row.name else VERMILION
    axes.set_ylabel(text, rotation=0, ha="right", va="center", fontfamily=families())
    axes.yaxis.label.set(size=10, color=colour, fontweight="bold")


def _bars(axes: Axes, values: Sequence[float], row: Example, classes: Sequence[str], *, named: bool, text: str) -> None:
    style(axes)
    places, said = range(len(classes)), int(np.argmax(row.logits))
    colours = [BLUE if name == row.name else VERMILION if place == said else "#b9c4d0" for place, name in enumerate(classes)]
    axes.bar(places, values, color=colours, width=0.72)
    axes.axhline(0, color=RULE, linewidth=0.8)
    for place, value in zip(places, values, strict=True):
        above = value >= 0
        axes.annotate(
            text.format(value),
            (place, value),
            (0, 2 if above else -2),
            textcoords="offset points",
            ha="center",
            va="bottom" if above else "top",
            fontsize=6.5,
            color=INK if place == said or classes[place] == row.name else MUTED,
        )
    axes.set_yticks([])
    axes.set_xticks(places, labels(classes, 8) if named else [""] * len(classes), fontfamily=families())
