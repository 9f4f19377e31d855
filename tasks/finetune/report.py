"""Stage ``report``: one HTML file and one Markdown file with everything a reader wants to know."""

from __future__ import annotations

from pathlib import Path

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.stage import stage


@stage("report")
def report_stage(folder: Path, *, name: str, **shown: Ref) -> Summary:
    """Write the report on the dataset of that name; ``shown`` is what all stages show, in order."""
    from pipeline_lib.reporting.pages.report import write_report

    return write_report(folder, f"Garbage classification on {name}", shown)
