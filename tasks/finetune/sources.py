"""Stage ``sources``: which photographs come from one source picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.progress import progress_bar
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.stages.kept import Kept


@stage("sources", varies=["dataset", "audit", "features"])
def sources_stage(folder: Path, *, dataset: Ref, audit: Ref, features: Sequence[Ref], previous: Kept | None = None) -> Summary:
    """Find crops, turned, mirrored and recompressed copies of one picture, within and across train, test and classes."""
    from pipeline_lib.audit.sources import find_sources
    from pipeline_lib.features.table import read_features

    vectors = (read_features([shard.folder]) for shard in features)
    with progress_bar("sources") as progress:
        return find_sources(folder, dataset.folder, audit.folder, vectors, previous, progress)
