"""What stage ``features`` shows: what the backbone gave for each shard of each view."""

from __future__ import annotations

from pipeline_lib.reporting.blocks import Results, Shown, facts, megabytes, settings_of
from pipeline_lib.reporting.shards import shards_table


def show(results: Results) -> Shown:
    """Show how many there are, and of which shards."""
    shards = [ref.manifest().summary for ref in results.values()]
    rows = {
        "shards": len(shards),
        "views of images": sum(shard["images"] for shard in shards),
        "size": megabytes(results),
    }
    return Shown(
        "Features",
        f"{rows['views of images']:,} views of images, {rows['size']}",
        blocks=[*facts(rows), shards_table(results, "images", "computed")],
        settings=settings_of(results),
    )
