"""Stage ``report``: the leaderboard as one HTML file and one Markdown file."""

from __future__ import annotations

from pathlib import Path

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.stage import stage


@stage("report")
def report_stage(folder: Path, *, name: str, sweep: str, leaderboard: Ref) -> Summary:
    """Write the report on a sweep over the dataset of that name; ``leaderboard`` is what that stage shows."""
    from pipeline_lib.reporting.pages.report import write_report

    return write_report(folder, f"Sweep {sweep} on {name}", {"leaderboard": leaderboard}, None)
