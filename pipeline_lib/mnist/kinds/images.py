"""An image folder or archive, laid out and checked as in the other flow, then made small and grey."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from pipeline_lib.data.dataset import build_dataset
from pipeline_lib.data.layout import SET_ASIDE
from pipeline_lib.data.source import Source
from pipeline_lib.images.prepare import grey
from pipeline_lib.images.read import read_image
from pipeline_lib.mnist.arrays import SIDE, Split
from pipeline_lib.mnist.source import ArraySource, Given, Read
from pipeline_lib.stages.key import Code

_LAID_OUT = ".images"


def as_arrays(source: Source) -> ArraySource:
    """Return a source of photographs as one of small grey images."""
    return ArraySource(
        **source.model_dump(exclude={"readers", "decisions"}),
        readers=(Code(__name__, "read"), *source.readers),
        decisions=source.decisions,
        title=source.name,
        what=f"images of the {source.kind} {source.name}, as grey images of {SIDE} x {SIDE}",
        needs=("data", "decisions"),
    )


def read(given: Given) -> Read:
    """Return the images of a source of photographs."""
    laid_out = given.folder / _LAID_OUT
    source = given.source.model_copy(update={"readers": given.source.readers[1:]})
    build = partial(build_dataset, downloads=given.downloads, decisions=given.decisions, progress=given.progress)
    try:
        summary = build(laid_out, source, given.data)
        (laid_out / SET_ASIDE).replace(given.folder / SET_ASIDE)
        splits = {name: _grey_split(laid_out, name, summary["classes"]) for name in ("train", "test")}
    finally:
        shutil.rmtree(laid_out, ignore_errors=True)
    more = {"test_split": summary["test_split"], "set_aside": summary["set_aside"]["count"], "labels": summary["labels"]}
    return Read(splits, summary["classes"], more)


def _grey_split(root: Path, split: str, classes: Sequence[str]) -> Split:
    files = [(label, path) for label, name in enumerate(classes) for path in sorted((root / split / name).iterdir())]
    images = np.stack([grey(read_image(path), SIDE) for _, path in files])
    labels = np.array([label for label, _ in files], np.int64)
    return Split(images, labels, [path.relative_to(root).as_posix() for _, path in files])
