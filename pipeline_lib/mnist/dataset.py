"""The dataset stage of ``lenet-mnist``: small grey images of any kind, as arrays of 28 x 28."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline_lib.data.decisions import Decisions
from pipeline_lib.mnist.arrays import write_split
from pipeline_lib.mnist.source import ArraySource, Given, Reader
from pipeline_lib.progress import Progress, ignore_progress
from pipeline_lib.settings.sections import DataSettings


def build_arrays(
    folder: Path,
    source: ArraySource,
    data: DataSettings,
    *,
    downloads: Path,
    decisions: Decisions = Decisions(),  # noqa: B008  # immutable
    progress: Progress = ignore_progress,
) -> dict[str, Any]:
    """Write both splits of a dataset as arrays (see `arrays.write_split`) into a folder.

    Args:
        folder: Where the result goes.
        source: What to read, as `sources.resolve` found it.
        data: Limits of an image folder, and the share that becomes test where there is no test split.
        downloads: Folder in which MNIST is kept for the next time.
        decisions: What people decided about the labels of an image folder; they change train alone.
        progress: Called while bytes arrive and images are looked at.

    Returns:
        ``name``, ``kind``, ``what`` (in words), ``classes``, ``counts`` (split -> class -> images), ``test_split`` (``given``
        or ``set aside``) and ``set_aside`` (broken images of a folder).

    Raises:
        PipelineError: The bytes cannot be read, are damaged, or are no dataset.
    """
    reader: Reader = source.readers[0].load()
    read = reader(Given(folder, source, data, downloads, decisions, progress))
    for name, split in read.splits.items():
        write_split(folder, name, split)
    counts = {
        name: dict(zip(read.classes, np.bincount(split.labels, minlength=len(read.classes)).tolist(), strict=True))
        for name, split in read.splits.items()
    }
    summary = {"name": source.name, "kind": source.kind, "what": source.what, "classes": read.classes, "counts": counts}
    return summary | {"test_split": "given", "set_aside": 0} | read.summary
