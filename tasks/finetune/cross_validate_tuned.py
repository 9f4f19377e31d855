"""Stage ``cross_validate`` where a part of the backbone is trained with the head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_lib.stages.key import Code
from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.stage import stage
from tasks.finetune.cross_validate import judged

if TYPE_CHECKING:
    from pipeline_lib.evaluation.out_of_fold import OutOfFold
    from pipeline_lib.features.table import FeatureSet
    from pipeline_lib.progress import Progress
    from pipeline_lib.settings.sections import CrossValidateSettings, TrainSettings, TuneSettings


@stage("cross_validate", resume=True)
def cross_validate_tuned_stage(
    folder: Path,
    *,
    dataset: Ref,
    sources: Ref,
    backbone: Ref,
    architecture: Code,
    features: Sequence[Ref],
    activations: Sequence[Ref],
    corrections: Ref,
    train: TrainSettings,
    tune: TuneSettings,
    cross_validate: CrossValidateSettings,
    evaluate: Mapping[str, Any],
    seed: int,
) -> Summary:
    """Judge every view of every photograph by a network that was tuned without its source, with corrected labels."""
    from pipeline_lib.audit.findings import read_groups
    from pipeline_lib.data.corrections import read_corrections
    from pipeline_lib.features.table import FeatureSet
    from pipeline_lib.training.distillation import tuning_of
    from pipeline_lib.training.tuning import Table, predict_tuned_out_of_fold

    def predict(table: FeatureSet, classes: Sequence[str], progress: Progress) -> OutOfFold:
        deeper = FeatureSet([shard.folder for shard in activations], classes, read_corrections(corrections.folder, classes))
        groups = read_groups(sources.folder)
        tuning = tuning_of(tune)(backbone.folder, architecture.load(), classes, groups, train, tune, seed)
        return predict_tuned_out_of_fold(tuning, Table(table, deeper), cross_validate.folds, folder, progress)

    return judged(folder, dataset, features, corrections, evaluate, predict)
