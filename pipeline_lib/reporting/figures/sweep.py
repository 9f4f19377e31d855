"""Figures about a sweep: the trials' differences to the best one, and their curves side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pipeline_lib.reporting.figures.canvas import BLUE, INK, MUTED, PALETTE, VERMILION, WIDE, canvas, label, png, style
from pipeline_lib.reporting.figures.training import History

MOST_CURVES = len(PALETTE)
"""Most trials whose curves can be told apart."""

_ROW = 0.34  # inches
_QUANTITIES = {"loss": "Loss", "top1": "Top-1 accuracy"}
_DASHED = (0, (3, 2))


class Behind(NamedTuple):
    """A trial's difference to the best one, 0..1: ``value``, ``low`` and ``high`` of the mean, and for each seed."""

    name: str
    mean: Mapping[str, float]
    by_seed: Sequence[float]


def differences(trials: Sequence[Behind]) -> bytes:
    """Draw a row for each trial but the best: the difference to the best, its interval, and a ring for each seed; PNG."""
    figure = canvas(WIDE, 1.0 + _ROW * len(trials))
    axes = figure.add_subplot()
    style(axes, "Difference to the best trial, in points", grid="x")
    axes.axvline(0, color=INK, linewidth=1)
    for row, trial in enumerate(trials):
        low, value, high = (100 * trial.mean[end] for end in ("low", "value", "high"))
        colour = VERMILION if high < 0 else BLUE
        axes.plot([low, high], [row, row], color=colour, linewidth=2, solid_capstyle="butt")
        seeds = [100 * each for each in trial.by_seed] if len(trial.by_seed) > 1 else []
        axes.plot(seeds, [row] * len(seeds), "o", markersize=7, markerfacecolor="none", color=MUTED)
        axes.plot([value], [row], "o", markersize=6, color=colour)
    axes.set_yticks(range(len(trials)), [label(trial.name, 40) for trial in trials])
    axes.set_ylim(len(trials) - 0.4, -0.6)
    return png(figure)


def curves(histories: Mapping[str, History]) -> bytes:
    """Draw loss and accuracy over the epochs, of train and of the validation part, a colour for each trial; PNG.

    Args:
        histories: Trial -> its history, see ``read_history``; at most `MOST_CURVES`.
    """
    figure = canvas(WIDE, 3.6 + 0.22 * ((len(histories) + 3) // 3))
    colours = dict(zip(histories, PALETTE, strict=False))
    for axes, (quantity, title) in zip(figure.subplots(1, 2), _QUANTITIES.items(), strict=True):
        style(axes, title, grid="y")
        for name, history in histories.items():
            _curve(axes, history, quantity, colours[name])
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.margins(x=0.02)
    kinds = [Line2D([], [], color=MUTED, label="validation"), Line2D([], [], color=MUTED, linestyle=_DASHED, label="train")]
    trials = [Line2D([], [], color=colours[name], linewidth=2.4, label=label(name, 40)) for name in histories]
    figure.legend(handles=[*trials, *kinds], loc="outside lower center", ncols=4, frameon=False, fontsize=8.5, labelcolor=MUTED)
    return png(figure)


def _curve(axes: Axes, history: History, quantity: str, colour: str) -> None:
    for split, line in (("train", _DASHED), ("val", "-")):
        marker = "o" if len(history["epoch"]) == 1 else None  # a line through one point cannot be seen
        axes.plot(history["epoch"], history[f"{split}_{quantity}"], color=colour, linewidth=1.6, linestyle=line, marker=marker)
