"""Stage ``features``: the frozen backbone runs once over one view of one shard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages import Ref, Summary
from tasks.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.settings import FeaturesSettings


@stage("features")
def features_stage(folder: Path, *, images: Ref, backbone: Ref, features: FeaturesSettings) -> Summary:
    """Run the frozen backbone over a shard's images in one view; keep their pooled features and an index."""
    from pipeline_lib.features.engines import engine
    from pipeline_lib.features.shards import rows_of, write_shard

    runner = engine(backbone.folder, features.batch, features.engine)
    rows = rows_of(images)
    write_shard(folder, rows, runner)
    return {"images": len(rows), "engine": runner.name}
