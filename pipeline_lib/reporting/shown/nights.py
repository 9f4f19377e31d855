"""What stage ``nights`` shows: the figures of the models so far, as lines with their intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline_lib.evaluation.nights import SERIES, Figure, Night, read_nights
from pipeline_lib.reporting import figures
from pipeline_lib.reporting.blocks import Block, Cell, Images, Results, Shown, Table
from pipeline_lib.reporting.formats import NOTHING, interval, percent
from pipeline_lib.reporting.pictures import drawn

_LISTED = 30
"""Nights in the table, and in the chart: what a page has room for."""


def show(results: Results) -> Shown:
    """Show a chart and a table of the last nights."""
    (ref,) = results.values()
    nights, summary = read_nights(ref.folder), ref.manifest().summary
    counted = f"{summary['nights']:,} night{'' if summary['nights'] == 1 else 's'}, {summary['promoted']:,} promoted"
    last = nights[-_LISTED:]
    return Shown("Nights", counted, blocks=[*_chart(last), *_table(last, len(nights))])


def _chart(nights: Sequence[Night]) -> Iterator[Block]:
    if len(nights) < 2:  # nothing to draw a line through
        return
    series = [_series(nights, key, name) for key, name in SERIES.items() if any(night.figures[key] for night in nights)]
    chart = figures.nights(series, [night.decision for night in nights])
    note = "Nights whose photographs or settings were new; the bands are the intervals of each figure by itself."
    yield Images(drawn("nights", chart, "Line chart: accuracy of each night's model.", note))


def _series(nights: Sequence[Night], key: str, name: str) -> figures.Series:
    every = [night.figures[key] for night in nights]
    return figures.Series(
        name,
        [figure.top1 if figure else None for figure in every],
        [figure.low if figure else None for figure in every],
        [figure.high if figure else None for figure in every],
    )


def _table(nights: Sequence[Night], count: int) -> Iterator[Block]:
    rows = [
        [Cell(night.when[:16].replace("T", " ")), Cell(night.decision), *(_cell(night.figures[key]) for key in SERIES)]
        for night in reversed(nights)
    ]
    note = "The last one first, in UTC." if len(nights) == count else f"The last {len(nights)} of {count:,}, in UTC."
    yield Table(["night", "decision", *SERIES.values()], rows, "Nights by date", note, "detail")


def _cell(figure: Figure | None) -> Cell:
    if figure is None:
        return Cell(NOTHING)
    return Cell(percent(figure.top1), figure.top1, figure.low, figure.high, interval(figure.low, figure.high))
