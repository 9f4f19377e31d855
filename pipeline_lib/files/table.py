"""Tables as CSV: the one way in which they are written and read, so that equal rows give equal bytes on every system."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> None:
    """Write a header and rows: UTF-8, lines that end in a newline alone; None becomes an empty cell.

    A row is its cells in the order of ``columns``, or a mapping of which the cells named are taken, empty where it has none.

    Raises:
        OSError: The file cannot be written.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([row.get(name) for name in columns] if isinstance(row, Mapping) else row for row in rows)


def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table as text by column.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
