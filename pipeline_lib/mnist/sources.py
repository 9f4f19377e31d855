"""The table of kinds of small grey images, and a dataset found by what the user typed."""

from __future__ import annotations

import logging
from pathlib import Path

from pipeline_lib.data.sources import resolve_path
from pipeline_lib.errors import OutOfReachError
from pipeline_lib.mnist.kinds import digits, idx, mnist
from pipeline_lib.mnist.kinds.images import as_arrays
from pipeline_lib.mnist.official import fetch_mnist, has_mnist
from pipeline_lib.mnist.source import ArraySource, Kind

KINDS: tuple[Kind, ...] = (mnist, digits, idx)
"""What there is beside folders and archives of images. A new kind is a module of ``mnist/kinds`` and its name here."""

_log = logging.getLogger(__name__)


def resolve(dataset: str | None, *, downloads: Path, fetch: bool) -> ArraySource:
    """Find a dataset by name or path.

    Args:
        dataset: ``mnist``, ``digits``, the path of a folder with IDX files or of an image folder or zip; None for MNIST if it
            can be downloaded, else the embedded digits.
        downloads: Folder of earlier downloads.
        fetch: Whether MNIST may be downloaded to find out if it can be; without, it is believed.

    Raises:
        PipelineError: There is no such name or path, or it holds no dataset.
    """
    if dataset is None:
        dataset = _mnist_or_digits(downloads, fetch)
    for kind in KINDS:
        if source := kind.find(dataset, downloads):
            return source
    return as_arrays(resolve_path(dataset, downloads=downloads, names=[name for kind in KINDS for name in kind.NAMES]))


def _mnist_or_digits(downloads: Path, fetch: bool) -> str:
    if fetch and not has_mnist(downloads / "mnist"):
        _log.info("MNIST is downloaded into %s", downloads)
        try:
            fetch_mnist(downloads / "mnist")
        except OutOfReachError as error:
            _log.warning("%s NOT MNIST: the small embedded dataset `digits` is used instead.", error)
            return "digits"
    return "mnist"
