"""The figures of a dataset's models, night by night."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pipeline_lib.reporting.figures.canvas import MUTED, PALETTE, PAPER, WIDE, canvas, png, style

Shares = Sequence[float | None]

# What became of a model -> the marker of its points, and whether that is filled.
_MARKS = {"promoted": ("o", True), "kept": ("o", False), "needs a person": ("D", False)}
_HEIGHT = 3.6


class Series(NamedTuple):
    """A figure of each night with its interval, 0..1; None for a night without it."""

    name: str
    values: Shares
    lows: Shares
    highs: Shares


def nights(series: Sequence[Series], decisions: Sequence[str]) -> bytes:
    """Draw a line with its interval for each series over n nights, and in its points what became of each model; PNG."""
    figure = canvas(WIDE, _HEIGHT)
    axes = figure.add_subplot()
    style(axes, "Top-1 over the nights, %", grid="y")
    places = range(1, len(decisions) + 1)
    for each, colour in zip(series, PALETTE, strict=False):
        low, value, high = (_percent(shares) for shares in (each.lows, each.values, each.highs))
        axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(places, value, color=colour, linewidth=1.6)
        _mark(axes, value, decisions, colour)
    axes.set_xlabel("night")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.02)
    lines = [Line2D([], [], color=colour, label=each.name) for each, colour in zip(series, PALETTE, strict=False)]
    figure.legend(
        handles=[*lines, *_decisions(decisions)],
        loc="outside lower center",
        ncols=6,
        frameon=False,
        fontsize=8.5,
        labelcolor=MUTED,
    )
    return png(figure)


def _percent(shares: Shares) -> list[float]:
    return [math.nan if share is None else 100 * share for share in shares]


def _mark(axes: Axes, values: Sequence[float], decisions: Sequence[str], colour: str) -> None:
    for place, (value, decision) in enumerate(zip(values, decisions, strict=True), start=1):
        marker, filled = _MARKS[decision]
        axes.plot([place], [value], marker, markersize=5.5, color=colour, markerfacecolor=colour if filled else PAPER)


def _decisions(there: Sequence[str]) -> list[Line2D]:
    """Return the keys of the markers that there are."""
    found = {name: mark for name, mark in _MARKS.items() if name in there}
    return [
        Line2D([], [], color=MUTED, linestyle="", marker=marker, markerfacecolor=MUTED if filled else PAPER, label=name)
        for name, (marker, filled) in found.items()
    ]
