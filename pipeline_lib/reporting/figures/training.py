"""Figures about training: what the history file of a run holds, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from pipeline_lib.files.table import read_table
from pipeline_lib.reporting.figures.canvas import INK, MUTED, NARROW, PALETTE, PAPER, canvas, png, style

History = Mapping[str, Sequence[float]]

_SPLITS = {"train": "train", "val": "validation", "test": "test"}
_HEIGHT = 3.1


def read_history(path: Path) -> dict[str, list[float]]:
    """Return a history CSV by column; a cell that is empty becomes nan.

    The columns are ``epoch`` and any of ``<split>_loss``, ``<split>_top1`` (split: train, val, test) and ``lr``.
    """
    rows = read_table(path)
    return {name: [float(row[name] or math.nan) for row in rows] for name in (rows[0] if rows else ())}


def loss_curve(history: History, best_epoch: int | None = None) -> bytes | None:
    """Draw the loss of every split over the epochs; PNG, or None when the history holds no loss."""
    return _curves(history, "loss", "Loss", best_epoch)


def accuracy_curve(history: History, best_epoch: int | None = None) -> bytes | None:
    """Draw the top-1 accuracy of every split over the epochs; PNG, or None when the history holds none."""
    return _curves(history, "top1", "Top-1 accuracy", best_epoch)


def learning_rate_curve(history: History) -> bytes | None:
    """Draw the learning rate over the epochs; PNG, or None when the history holds none."""
    return _curves(history, "lr", "Learning rate", None)


def _curves(history: History, quantity: str, title: str, best_epoch: int | None) -> bytes | None:
    lines = {name: values for name, values in history.items() if name.rpartition("_")[2] == quantity}
    if not lines:
        return None
    figure = canvas(NARROW, _HEIGHT)
    axes = figure.add_subplot()
    style(axes, title, grid="y")
    for name, values in sorted(lines.items(), key=lambda line: _order(line[0])):
        split = name.rpartition("_")[0]
        colour = PALETTE[_order(name) % len(PALETTE)]
        # A line through one point cannot be seen.
        marker = "o" if len(values) == 1 else None
        axes.plot(history["epoch"], values, color=colour, linewidth=1.6, marker=marker, label=_SPLITS.get(split, split))
    _mark_best(axes, best_epoch)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.margins(x=0.02)
    if len(lines) > 1:
        legend = axes.legend(
            loc="lower right", bbox_to_anchor=(1.02, 0.985), ncols=3, frameon=False, fontsize=8.5, labelcolor=MUTED
        )
        # It shares the title's line; in the layout it would push the axes down, out of line with the figure beside it.
        legend.set_in_layout(False)
    return png(figure)


def _order(name: str) -> int:
    """Return a split's place in the legend and the palette, the same in every figure."""
    split = name.rpartition("_")[0]
    return list(_SPLITS).index(split) if split in _SPLITS else 0


def _mark_best(axes: Axes, epoch: int | None) -> None:
    if epoch is None:
        return
    axes.axvline(epoch, color=INK, linewidth=1, linestyle=(0, (3, 3)))
    left, right = axes.get_xlim()
    beyond_middle = epoch > (left + right) / 2
    axes.annotate(
        f"best: {epoch}",
        (epoch, 0.5),
        (-5 if beyond_middle else 5, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right" if beyond_middle else "left",
        fontsize=8.5,
        color=INK,
        path_effects=[withStroke(linewidth=3, foreground=PAPER)],
    )
