"""Stage ``train`` where a part of the backbone is trained with the head."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.key import Code
from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.progress import progress_bar
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.settings.sections import TrainSettings, TuneSettings


@stage("train", resume=True)
def tune_stage(
    folder: Path,
    *,
    dataset: Ref,
    sources: Ref,
    backbone: Ref,
    architecture: Code,
    features: Sequence[Ref],
    activations: Sequence[Ref],
    train: TrainSettings,
    tune: TuneSettings,
    seed: int,
) -> Summary:
    """Train the head with a part of the backbone, on cached activations; keep all that a prediction needs."""
    from pipeline_lib.audit.findings import read_groups
    from pipeline_lib.features.table import FeatureSet
    from pipeline_lib.models.files import BACKBONE
    from pipeline_lib.training.distillation import tuning_of
    from pipeline_lib.training.tuning import Table, write_tuned
    from pipeline_lib.weights.export import export_onnx

    classes, family = dataset.manifest().summary["classes"], architecture.load()
    table = Table(*(FeatureSet([shard.folder for shard in shards], classes) for shards in (features, activations)))
    tuning = tuning_of(tune)(backbone.folder, family, classes, read_groups(sources.folder), train, tune, seed)
    with progress_bar("train") as progress:
        tuned = tuning.run(table, folder, progress)
    summary = write_tuned(folder, tuning, tuned)
    export_onnx(folder / BACKBONE, family)
    return summary
