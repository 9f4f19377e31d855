"""Stage ``export``: the model as files for other runtimes, each compared with the model through the file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.progress import progress_bar
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.settings.sections import ExportSettings


@stage("export", network=True)
def export_stage(folder: Path, *, dataset: Ref, sources: Ref, model: Ref, name: str, export: ExportSettings) -> Summary:
    """Write the model in each format that the settings name, and compare each file with it on photographs of test.

    ``name`` is what the dataset is called. The page comes with a runtime that is fetched once.
    """
    from pipeline_lib.export.export import write_files
    from pipeline_lib.export.photographs import photographs_of
    from pipeline_lib.export.source import read_source

    source = read_source(model.folder, name)
    photographs = photographs_of(dataset.folder, sources.folder, name)
    with progress_bar("export") as progress:
        written = write_files(folder, source, export.formats, photographs, progress)
    return {"photographs": photographs.what, "files": [asdict(each) for each in written]}
