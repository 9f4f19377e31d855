"""Stage ``report``: one HTML file and one Markdown file with everything a reader wants to know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages import Ref, Summary
from tasks.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.settings import Settings


@stage("report")
def report_stage(
    folder: Path,
    *,
    dataset: Ref,
    audit: Ref,
    backbone: Ref,
    data_new: Ref,
    model: Ref,
    scores: Ref,
    features: Sequence[Ref],
    name: str,
    settings: Settings,
) -> Summary:
    """Write the report: figures, settings, data facts, timings, versions."""
    from pipeline_lib.reporting.finetune import finetune_content
    from pipeline_lib.reporting.report import build_report

    stages = {"dataset": dataset, "audit": audit, "backbone": backbone, "data_new": data_new, "model": model, "scores": scores}
    return build_report(folder, finetune_content(stages, features, name, settings))
