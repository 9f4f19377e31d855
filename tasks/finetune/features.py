"""Stages ``features`` and ``activations``: the backbone, or its frozen part, runs once over one view of one shard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.kept import Kept
from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.stage import Stage, stage

if TYPE_CHECKING:
    from pipeline_lib.settings.sections import FeaturesSettings
    from pipeline_lib.views.view import View


@stage("features", varies=["images"])
def features_stage(
    folder: Path, *, images: Ref, view: View, backbone: Ref, features: FeaturesSettings, previous: Kept | None = None
) -> Summary:
    """Run the frozen backbone over a shard's images in one view; keep their pooled features and an index."""
    from pipeline_lib.features.engine import engine
    from pipeline_lib.features.shards import rows_of, write_shard

    rows = rows_of(images, view)
    computed = write_shard(folder, rows, engine(backbone.folder / backbone.prefix, features.batch), previous)
    return {"images": len(rows), "computed": computed}


activations_stage = Stage(features_stage.function, "activations", varies=["images"])
"""The same for the frozen part before a cut, which is given as ``backbone``: its rows are the maps at the cut."""
