"""MNIST itself, known by the digests of its four files."""

from __future__ import annotations

from pathlib import Path

from pipeline_lib.mnist.kinds.idx import read_folder
from pipeline_lib.mnist.official import FINGERPRINT, fetch_mnist
from pipeline_lib.mnist.source import ArraySource, Given, Read
from pipeline_lib.stages.key import Code

NAMES = ("mnist",)
WHAT = "MNIST, the official files: 70,000 handwritten digits"


def find(dataset: str, downloads: Path) -> ArraySource | None:
    """Return MNIST under its name; None for any other name."""
    if dataset not in NAMES:
        return None
    readers = (Code(__name__, "read"),)
    return ArraySource(
        name=dataset, kind="mnist", location="", fingerprint=FINGERPRINT, readers=readers, title="MNIST", what=WHAT
    )


def read(given: Given) -> Read:
    """Return MNIST, downloaded unless it is there."""
    fetch_mnist(given.downloads / "mnist", given.progress)
    return read_folder(given.downloads / "mnist")
