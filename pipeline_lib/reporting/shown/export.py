"""What stage ``export`` shows: its files, and how they answer beside the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_lib.reporting.blocks import Cell, Results, Shown, Table, megabytes, settings_of
from pipeline_lib.reporting.formats import NOTHING, interval, percent

_COLUMNS = ["file", "size", "photographs", "same class", "largest difference", "top-1", "the model's", "ms"]


def show(results: Results) -> Shown:
    """Show each file with its size, and a row for each view of the photographs that it was compared on."""
    (ref,) = results.values()
    summary = ref.manifest().summary
    rows = [row for file in summary["files"] for row in _rows(file)]
    note = f"Compared on {summary['photographs']}, through the file; ms is the time of one photograph on one thread."
    names = ", ".join(file["format"] for file in summary["files"])
    table = Table(_COLUMNS, rows, note=note)
    return Shown("Export", f"{names}, {megabytes(results)}", blocks=[table], settings=settings_of(results))


def _rows(file: Mapping[str, Any]) -> Iterator[list[Cell]]:
    size, compared = f"{file['bytes'] / 1e6:.2f} MB", file["validation"]
    if not compared:
        yield [Cell(file["file"]), Cell(size), *[Cell(NOTHING)] * (len(_COLUMNS) - 2)]
        return
    for view in (*compared["views"], *compared["held_out"]):
        counted = f"{view['photographs']:,} {view['view']}"
        shares = (_share(view["export"]), _share(view["model"]))
        figures = (Cell(counted), Cell(percent(view["agreement"])), Cell(f"{view['difference']:.2g}"), *shares)
        yield [Cell(file["file"]), Cell(size), *figures, Cell(f"{compared['milliseconds']}")]


def _share(measured: Mapping[str, float] | None) -> Cell:
    if measured is None:
        return Cell(NOTHING)
    return Cell(percent(measured["value"]), interval=interval(measured["low"], measured["high"]))
