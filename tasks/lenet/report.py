"""Stage ``report`` of ``lenet-mnist``: one HTML file and one Markdown file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages import Ref, Summary
from tasks.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.settings import LenetSettings


@stage("report")
def report_stage(folder: Path, *, dataset: Ref, model: Ref, scores: Ref, settings: LenetSettings) -> Summary:
    """Write the report: figures, settings, data facts, timings, versions."""
    from pipeline_lib.reporting.lenet import lenet_content
    from pipeline_lib.reporting.report import build_report

    return build_report(folder, lenet_content({"dataset": dataset, "model": model, "scores": scores}, settings))
