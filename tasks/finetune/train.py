"""Stage ``train``: the head on cached features, and with it the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.progress import progress_bar
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.settings.sections import TrainSettings


@stage("train", resume=True)
def train_stage(
    folder: Path, *, dataset: Ref, sources: Ref, backbone: Ref, features: Sequence[Ref], train: TrainSettings, seed: int
) -> Summary:
    """Train the head on the cached features of train; keep the best epoch, and beside it all that a prediction needs."""
    from pipeline_lib.audit.findings import read_groups
    from pipeline_lib.features.table import FeatureSet
    from pipeline_lib.training.head import keep_backbone, train_head

    classes = dataset.manifest().summary["classes"]
    table = FeatureSet([shard.folder for shard in features], classes)
    with progress_bar("train") as progress:
        summary = train_head(folder, table, classes, read_groups(sources.folder), train, seed, progress)
    keep_backbone(folder, backbone.kept)
    return summary
