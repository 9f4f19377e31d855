"""What stage ``augment`` shows: the augmented views of each shard."""

from __future__ import annotations

from pipeline_lib.reporting.blocks import Results, Shown, facts, megabytes, settings_of
from pipeline_lib.reporting.shards import shards_table


def show(results: Results) -> Shown:
    """Show how many views there are, and of which shards."""
    shards = [ref.manifest().summary for ref in results.values()]
    views = sum(shard["images"] * shard["views"] for shard in shards)
    rows = {"images": sum(shard["images"] for shard in shards), "augmented views": views, "size": megabytes(results)}
    return Shown(
        "Augmented views",
        f"{views:,} views, {rows['size']}",
        blocks=[*facts(rows), shards_table(results, "images", "views")],
        settings=settings_of(results),
    )
