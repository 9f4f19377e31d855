"""What stages of several shards have in common."""

from __future__ import annotations

from pipeline_lib.reporting.blocks import Cell, Results, Table, megabytes
from pipeline_lib.reporting.formats import value


def shards_table(results: Results, *columns: str) -> Table:
    """Return the table of shards: the columns of their summaries, and their sizes."""
    rows = [
        [Cell(label), *(Cell(value(ref.manifest().summary[column])) for column in columns), Cell(megabytes({label: ref}))]
        for label, ref in results.items()
    ]
    return Table(["shard", *columns, "size"], rows, "Shards", role="detail")
