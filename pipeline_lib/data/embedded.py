"""The synthetic dataset that comes with the package."""

from __future__ import annotations

import zipfile
from pathlib import Path

from PIL import Image

from pipeline_lib.images.read import read_image

SAMPLE = Path(__file__).parent / "sample" / "sample.zip"
"""The archive: ``train/<Class>/`` and ``test/<Class>/``, 26 classes, JPEG files of 224 x 224.

Its package is never imported: the files of a package count in the key of every stage that reaches it.
"""


def sample_pictures(count: int) -> list[Image.Image]:
    """Return RGB pictures of the sample's test split, spread over its classes; ``count`` is at most the number of classes."""
    with zipfile.ZipFile(SAMPLE) as archive:
        first = sorted({Path(name).parent.name: name for name in reversed(archive.namelist()) if "test/" in name}.values())
        chosen = first[:: len(first) // count][:count]
        return [read_image(zipfile.Path(archive, name)) for name in chosen]
