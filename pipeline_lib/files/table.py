"""Tables as CSV: the one way in which they are written and read, so that equal rows give equal bytes on every system."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> None:
    """Write a header and rows: UTF-8, lines that end in a newline alone, floats to six decimals; None becomes an empty cell.

    A row is its cells in the order of ``columns``, or a mapping of columns to cells; a column that it lacks becomes an empty
    cell.

    Raises:
        OSError: The file cannot be written.
        ValueError: A row has a cell for which there is no column, or fewer cells than there are columns.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            cells = _in_order(row, columns) if isinstance(row, Mapping) else row
            if len(cells) != len(columns):
                raise ValueError(f"{path.name} has {len(columns)} columns and a row of {len(cells)} cells: {row}")
            writer.writerow([round(cell, 6) if isinstance(cell, float) else cell for cell in cells])


def _in_order(row: Mapping[str, Any], columns: Sequence[str]) -> list[Any]:
    """Return the cells of a row in the order of the columns, and those behind them for which there is none."""
    return [row.get(name) for name in columns] + [row[name] for name in row if name not in columns]


def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table as text by column.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
