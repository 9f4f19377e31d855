"""Stage ``features``: the frozen backbone runs once over one view of one shard."""

from __future__ import annotations

from pathlib import Path

from pipeline_lib.kept import Kept
from pipeline_lib.stages import Ref, Summary
from tasks.stage import stage


@stage("features", varies="images")
def features_stage(
    folder: Path, *, images: Ref, backbone: Ref, engine: Ref, batch: int, previous: Kept | None = None
) -> Summary:
    """Run the frozen backbone over a shard's images in one view; keep their pooled features and an index."""
    from pipeline_lib.features.choice import read_choice
    from pipeline_lib.features.engines import engine as start
    from pipeline_lib.features.shards import rows_of, write_shard

    name = read_choice(engine.folder)
    rows = rows_of(images)
    computed = write_shard(folder, rows, start(backbone.folder, batch, name), previous)
    return {"images": len(rows), "computed": computed, "engine": name}
