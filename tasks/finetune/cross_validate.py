"""Stage ``cross_validate``: figures on sources never seen, over train and test together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.progress import progress_bar
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.evaluation.out_of_fold import OutOfFold
    from pipeline_lib.features.table import FeatureSet
    from pipeline_lib.progress import Progress
    from pipeline_lib.settings.sections import CrossValidateSettings, TrainSettings


@stage("cross_validate")
def cross_validate_stage(
    folder: Path,
    *,
    dataset: Ref,
    sources: Ref,
    features: Sequence[Ref],
    corrections: Ref,
    train: TrainSettings,
    cross_validate: CrossValidateSettings,
    evaluate: Mapping[str, Any],
    seed: int,
) -> Summary:
    """Judge every view of every photograph by a head that was trained without the photograph's source, with corrected labels.

    ``evaluate`` is what of the settings of that name the figures depend on: ``confidence`` and ``ece_bins``.
    """
    from pipeline_lib.audit.findings import read_groups
    from pipeline_lib.training.cross_validation import predict_out_of_fold

    def predict(table: FeatureSet, classes: Sequence[str], progress: Progress) -> OutOfFold:
        groups = read_groups(sources.folder)
        return predict_out_of_fold(table, classes, groups, train, cross_validate.folds, seed, progress)

    return judged(folder, dataset, features, corrections, evaluate, predict)


def judged(
    folder: Path,
    dataset: Ref,
    features: Sequence[Ref],
    corrections: Ref,
    evaluate: Mapping[str, Any],
    predict: Callable[[FeatureSet, Sequence[str], Progress], OutOfFold],
) -> Summary:
    """Write the figures of out-of-fold outputs, which ``predict`` makes of the photographs' features and their classes."""
    from pipeline_lib.data.classes import bins_of
    from pipeline_lib.data.corrections import read_corrections
    from pipeline_lib.evaluation.cross_validation import evaluate_out_of_fold, no_figures
    from pipeline_lib.evaluation.scores import Terms
    from pipeline_lib.features.table import FeatureSet
    from pipeline_lib.training.rows import TooFewSourcesError

    classes = dataset.manifest().summary["classes"]
    table = FeatureSet([shard.folder for shard in features], classes, read_corrections(corrections.folder, classes))
    class_of = {image: classes[label] for image, label in zip(table.images.tolist(), table.labels.tolist(), strict=True)}
    terms = Terms(classes, bins_of(classes), **evaluate)
    try:
        with progress_bar("cross_validate") as progress:
            outputs = predict(table, classes, progress)
    except TooFewSourcesError as error:
        return no_figures(folder, str(error), class_of, terms)
    return evaluate_out_of_fold(folder, outputs, class_of, terms)
