"""Stage ``report``: one HTML file and one Markdown file with everything a reader wants to know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.store import Ref, Summary
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.settings.sections import Settings


@stage("report")
def report_stage(folder: Path, *, name: str, settings: Settings, **results: Sequence[Ref]) -> Summary:
    """Write the report: figures, settings, data facts, timings, versions; ``results`` are those of all stages, in order."""
    from pipeline_lib.reporting.finetune import finetune_content
    from pipeline_lib.reporting.report import build_report

    return build_report(folder, finetune_content(results, name, settings))
