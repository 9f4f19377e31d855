"""What a stage shows that has no module of its own: its summary."""

from __future__ import annotations

from pipeline_lib.reporting.blocks import Results, Shown, facts, megabytes, scalars, settings_of
from pipeline_lib.reporting.shards import shards_table


def show(results: Results) -> Shown:
    """Show the summary of the result, or those of all shards in a table."""
    first, *others = results.values()
    summary = first.manifest().summary
    if others:
        columns = [name for name, item in summary.items() if not isinstance(item, dict | list)]
        blocks = [*facts({"shards": len(results), "size": megabytes(results)}), shards_table(results, *columns)]
    else:
        blocks = facts(scalars(summary))
    return Shown(first.stage.replace("_", " ").capitalize(), megabytes(results), blocks=blocks, settings=settings_of(results))
