"""Stage ``evaluate``: the model on every view of test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.settings.sections import EvaluateSettings, TestViewSettings


@stage("evaluate")
def evaluate_stage(
    folder: Path,
    *,
    dataset: Ref,
    sources: Ref,
    cross_validated: Ref,
    model: Ref,
    features: Sequence[Ref],
    corrections: Ref,
    augment_test: TestViewSettings,
    evaluate: EvaluateSettings,
    seed: int,
) -> Summary:
    """Judge the model on test, without leaked images, with corrected labels, on data_new/test and on the robustness grid.

    Figures on sources never seen, from ``cross_validated``, are put beside those of test: the two belong together.
    """
    from pipeline_lib.audit.findings import read_groups, read_leaked
    from pipeline_lib.data.classes import bins_of
    from pipeline_lib.data.corrections import read_corrections
    from pipeline_lib.evaluation.evaluate import Subject, evaluate_model
    from pipeline_lib.evaluation.predictions import Predictions
    from pipeline_lib.evaluation.selection import unseen_in_short
    from pipeline_lib.features.table import FeatureSet
    from pipeline_lib.images.read import read_image
    from pipeline_lib.models.heads import load_head
    from pipeline_lib.models.outputs import logits_of_table
    from pipeline_lib.views.view import CLEAN, views_of

    head = load_head(model.folder)
    spec = head.spec
    table = FeatureSet([shard.folder for shard in features], spec.classes)
    logits = logits_of_table(head.logits, table)
    subject = Subject(
        Predictions(table.images, table.labels, table.views, logits, read_groups(sources.folder)),
        spec.classes,
        spec.temperature,
        read_leaked(sources.folder),
        bins_of(spec.classes),
        [CLEAN, *views_of(augment_test)],
        read_corrections(corrections.folder, spec.classes),
        unseen_in_short(cross_validated.manifest().summary),
    )
    return evaluate_model(folder, subject, evaluate, open_image=lambda image: read_image(dataset.folder / image), seed=seed)
