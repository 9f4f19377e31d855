"""Stage ``count``: how many pictures are small."""

from __future__ import annotations

from pathlib import Path

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.stage import stage


@stage("count")
def count_stage(folder: Path, *, sizes: Ref, least: int) -> Summary:
    """Count the pictures that are narrower than ``least`` pixels."""
    small = sum(int(line) < least for line in (sizes.folder / "widths.txt").read_text().split())
    (folder / "small.txt").write_text(f"{small} of them are small\n")
    return {"small": small}
