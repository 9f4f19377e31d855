"""Stage ``report`` of ``lenet-mnist``: one HTML file and one Markdown file with all that the stages show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.evaluation.looks import Looks


@stage("report")
def report_stage(folder: Path, *, name: str, looks: Looks, **shown: Ref) -> Summary:
    """Write the report on a dataset that is called so.

    ``shown`` is what all stages show, in order; ``looks`` how often the test set was looked at.
    """
    from pipeline_lib.reporting.pages.report import write_report

    return write_report(folder, f"LeNet-5 on {name}", shown, looks)
