"""Stage ``split``: the dataset with train and test divided anew, by source."""

from __future__ import annotations

from pathlib import Path

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.stage import stage


@stage("split")
def split_stage(folder: Path, *, dataset: Ref, sources: Ref, test_share: float | None = None) -> Summary:
    """Divide the images into train and test anew, so that no source is in both; the result is laid out like a dataset."""
    from pipeline_lib.audit.findings import read_groups
    from pipeline_lib.data.split import split_dataset

    summary = split_dataset(folder, dataset.kept, dataset.manifest().summary, read_groups(sources.folder), test_share)
    return {**summary, "dataset": dataset.digest}
