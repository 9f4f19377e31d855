"""Stage ``dataset`` of ``lenet-mnist``: get the images, check them, keep them as arrays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.result import Summary
from pipeline_lib.stages.store import Store
from tasks.contract.progress import progress_bar
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.data.decisions import Decisions
    from pipeline_lib.mnist.source import ArraySource
    from pipeline_lib.settings.sections import DataSettings


@stage("dataset", network=True)
def dataset_stage(
    folder: Path, *, source: ArraySource, decisions: Decisions | None = None, data: DataSettings | None = None
) -> Summary:
    """Get the dataset and keep it as arrays of 28 x 28 grey images: ``train-*.npy`` and ``test-*.npy``."""
    from pipeline_lib.data.decisions import Decisions
    from pipeline_lib.mnist.dataset import build_arrays
    from pipeline_lib.settings.sections import DataSettings

    limits, downloads = data or DataSettings(), Store().downloads
    with progress_bar("dataset") as progress:
        return build_arrays(folder, source, limits, downloads=downloads, decisions=decisions or Decisions(), progress=progress)
