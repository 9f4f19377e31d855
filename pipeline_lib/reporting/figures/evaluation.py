"""Figures about what the network gets right and wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from pipeline_lib.reporting.figures.canvas import (
    BLUE,
    INK,
    MUTED,
    NARROW,
    PAPER,
    RULE,
    SKY,
    VERMILION,
    WIDE,
    canvas,
    families,
    label,
    labels,
    png,
    style,
)

# Above this many classes neither names nor numbers can be read.
_MOST_NAMED = 60
_MOST_NUMBERED = 40
# A single mistake among many images must still be seen.
_FAINTEST = 0.3


def confusion(matrix: NDArray[np.integer[Any]], classes: Sequence[str], groups: Sequence[str] | None = None) -> bytes:
    """Draw a confusion matrix: rows true, columns predicted; right in blue, wrong in vermilion, shaded by the row's share; PNG.

    Args:
        matrix: (C, C) counts.
        classes: (C,) names.
        groups: (C,) a group for each class, such as its bin; classes of a group are placed together and framed, so that
            mistakes inside a group can be told from mistakes across groups.
    """
    order = sorted(range(len(classes)), key=lambda index: (groups[index] if groups else "", index))
    counts = matrix[np.ix_(order, order)]
    side = float(np.clip(2.0 + 0.27 * len(classes), NARROW, WIDE))
    figure = canvas(side, side * 0.97)
    axes = figure.add_subplot()
    style(axes)
    edges = np.arange(len(classes) + 1) - 0.5
    rules = RULE if len(classes) <= _MOST_NAMED else "none"
    axes.pcolormesh(edges, edges, _confusion_colours(counts), edgecolors=rules, linewidth=0.6)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    _name_classes(axes, [classes[index] for index in order])
    if len(classes) <= _MOST_NUMBERED:
        _number_cells(axes, counts)
    if groups:
        _frame_groups(axes, [groups[index] for index in order])
    axes.set(xlabel="predicted", ylabel="true")
    return png(figure)


def _confusion_colours(counts: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Return (C, C, 3) colours: white to blue on the diagonal, white to vermilion off it."""
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    strength = np.where(counts > 0, _FAINTEST + (1 - _FAINTEST) * share, 0)[..., None]
    full = np.where(np.eye(len(counts), dtype=bool)[..., None], to_rgb(BLUE), to_rgb(VERMILION))
    return np.asarray(1 - strength * (1 - full))


def _name_classes(axes: Axes, names: Sequence[str]) -> None:
    places = range(len(names))
    shown = labels(names) if len(names) <= _MOST_NAMED else []
    turned: dict[str, Any] = {"rotation": 55, "ha": "right", "rotation_mode": "anchor"} if max(map(len, names)) > 3 else {}
    axes.set_xticks(places[: len(shown)], shown, fontfamily=families(), **turned)
    axes.set_yticks(places[: len(shown)], shown, fontfamily=families())


def _number_cells(axes: Axes, counts: NDArray[np.integer[Any]]) -> None:
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 8.5 if counts.max() < 1000 else 7
    for row, column in np.argwhere(counts).tolist():
        colour = PAPER if share[row, column] > 0.45 else INK
        axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=size, color=colour)


def _frame_groups(axes: Axes, groups: Sequence[str]) -> None:
    for group in sorted(set(groups)):
        first, size = groups.index(group), groups.count(group)
        corner = (first - 0.5, first - 0.5)
        axes.add_patch(Rectangle(corner, size, size, fill=False, edgecolor=MUTED, linewidth=1.2, clip_on=False))
        middle = (len(groups) - 0.2, first + (size - 1) / 2)
        axes.text(*middle, label(group), rotation=270, va="center", fontsize=8.5, color=MUTED, fontfamily=families())


def robustness(cells: Sequence[Mapping[str, float]]) -> bytes:
    """Draw accuracy over noise and rotation as a map with its numbers; a cell that was not measured stays empty; PNG.

    Args:
        cells: Mappings with ``sigma`` (of 255), ``angle`` (degrees), and ``top1``, ``low``, ``high`` (0..1).
    """
    sigmas, angles = (sorted({cell[axis] for cell in cells}) for axis in ("sigma", "angle"))
    top1 = np.full((len(sigmas), len(angles)), np.nan)
    figure = canvas(WIDE, 0.8 + 0.62 * len(sigmas))
    axes = figure.add_subplot()
    style(axes)
    for cell in cells:
        row, column = sigmas.index(cell["sigma"]), angles.index(cell["angle"])
        top1[row, column] = cell["top1"]
        colour = PAPER if cell["top1"] > 0.55 else INK
        axes.text(
            column, row - 0.1, f"{cell['top1']:.0%}", ha="center", va="center", fontsize=12, fontweight="bold", color=colour
        )
        axes.text(
            column,
            row + 0.27,
            f"{100 * cell['low']:.0f}–{cell['high']:.0%}",
            ha="center",
            va="center",
            fontsize=7.5,
            color=colour,
        )
    axes.imshow(top1, cmap=LinearSegmentedColormap.from_list("accuracy", [PAPER, BLUE]), vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(angles)), [f"±{angle:g}°" if angle else "none" for angle in angles])
    axes.set_yticks(range(len(sigmas)), [f"σ {sigma:g}" if sigma else "none" for sigma in sigmas])
    axes.set(xlabel="rotation up to", ylabel="noise, of 255")
    return png(figure)


def reliability(bins: Sequence[Mapping[str, Any]], title: str) -> bytes:
    """Draw a reliability diagram: bars of accuracy over confidence, their gap to the diagonal, and the counts; PNG.

    Args:
        bins: Mappings with ``low``, ``high``, ``n``, ``confidence`` and ``accuracy`` (None for an empty bin).
        title: Title of the figure.
    """
    figure = canvas(NARROW, 3.9)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
    style(upper, title, grid="y")
    style(lower, grid="y")
    filled = [bin_ for bin_ in bins if bin_["n"]]
    left = [bin_["low"] for bin_ in filled]
    width = [bin_["high"] - bin_["low"] for bin_ in filled]
    accuracy = [bin_["accuracy"] for bin_ in filled]
    confidence = [bin_["confidence"] for bin_ in filled]
    bar = {"align": "edge", "edgecolor": PAPER, "linewidth": 0.8}
    upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
    upper.bar(left, accuracy, width, color=SKY, **bar)
    upper.vlines(confidence, accuracy, confidence, color=VERMILION, linewidth=2)
    upper.plot(confidence, confidence, ".", color=VERMILION, markersize=5)
    lower.bar(left, [bin_["n"] for bin_ in filled], width, color=MUTED, **bar)
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    lower.set(xlabel="confidence", ylabel="images")
    return png(figure)


def coverage(shares: Sequence[float], accuracies: Sequence[float], marked: Mapping[str, tuple[float, float]]) -> bytes:
    """Draw accuracy over the share of photographs that is answered, the surest first; PNG.

    Args:
        shares: (n,) shares, 0..1, ascending.
        accuracies: (n,) accuracy of each, 0..1.
        marked: Points of the curve that are named, by what is written beside them.
    """
    figure = canvas(WIDE, 3.1)
    axes = figure.add_subplot()
    style(axes, grid="y")
    axes.plot(shares, accuracies, color=BLUE, linewidth=1.8)
    for words, (share, accuracy) in marked.items():
        axes.plot(share, accuracy, "o", color=VERMILION, markersize=6)
        side, away = ("right", -8) if share > 0.5 else ("left", 8)
        axes.annotate(words, (share, accuracy), (away, -14), textcoords="offset points", ha=side, fontsize=8.5, color=INK)
    least = min(accuracies)
    axes.set(xlim=(0, 1.02), ylim=(max(0, least - 0.05), 1.02), xlabel="share that is answered", ylabel="accuracy of it")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    return png(figure)
