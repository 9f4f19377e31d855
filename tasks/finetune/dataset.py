"""Stage ``dataset``: get the images, check every one, set broken ones aside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.result import Summary
from pipeline_lib.stages.store import Store
from tasks.contract.progress import progress_bar
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.data.decisions import Decisions
    from pipeline_lib.data.source import Source
    from pipeline_lib.settings.sections import DataSettings


@stage("dataset", network=True)
def dataset_stage(folder: Path, *, source: Source, decisions: Decisions, data: DataSettings) -> Summary:
    """Get the dataset, check every image once, and keep the usable ones, train with the labels that people decided on."""
    from pipeline_lib.data.dataset import build_dataset

    with progress_bar("dataset") as progress:
        return build_dataset(folder, source, data, downloads=Store().downloads, decisions=decisions, progress=progress)
