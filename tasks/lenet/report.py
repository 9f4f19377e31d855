"""Stage ``report`` of ``lenet-mnist``: one HTML file and one Markdown file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.store import Ref, Summary
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.settings.sections import LenetSettings


@stage("report")
def report_stage(folder: Path, *, settings: LenetSettings, **results: Sequence[Ref]) -> Summary:
    """Write the report: figures, settings, data facts, timings, versions; ``results`` are those of all stages, in order."""
    from pipeline_lib.reporting.lenet import lenet_content
    from pipeline_lib.reporting.report import build_report

    return build_report(folder, lenet_content(results, settings))
