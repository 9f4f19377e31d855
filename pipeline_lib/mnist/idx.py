"""The IDX files of MNIST: a magic number, the sizes of the dimensions, then one byte per value; plain or gzipped.

Source of the format: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import PipelineError

MAX_BYTES = 1 << 30
"""Maximum size of the content: 20 times that of MNIST's training images."""

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Return the array of an IDX file of unsigned bytes; whether it is gzipped follows from its content.

    Args:
        path: The file.
        dimensions: How many dimensions it must have: 1 for labels, 3 for images.

    Raises:
        PipelineError: It cannot be read or unpacked, has another magic number, or holds more or less than it announces.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
            file.seek(0)
            stream = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if packed else file
            return _parsed(path, stream, dimensions)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise PipelineError(f"{path} is a damaged gzip file ({error}); download it again.") from error
    except OSError as error:
        raise PipelineError(f"{path} cannot be read: {error.strerror or error}.") from error


def _parsed(path: Path, stream: IO[bytes], dimensions: int) -> NDArray[np.uint8]:
    header = stream.read(4 * (1 + dimensions))
    expected = (_UNSIGNED_BYTE << 8) + dimensions
    magic = int.from_bytes(header[:4], "big")
    if len(header) >= 4 and magic != expected:
        kind = {1: "labels", 3: "images"}.get(dimensions, f"{dimensions} dimensions")
        raise PipelineError(
            f"{path} is not an IDX file of {kind}: its magic number is {magic} instead of {expected}; download it again."
        )
    if len(header) < 4 * (1 + dimensions):
        raise PipelineError(f"{path} ends within its header of {4 * (1 + dimensions)} bytes; download it again.")
    shape = tuple(int.from_bytes(header[at : at + 4], "big") for at in range(4, len(header), 4))
    size = math.prod(shape)
    if size > MAX_BYTES:
        raise PipelineError(f"{path} announces {size:,} bytes, more than the {MAX_BYTES:,} allowed; download it again.")
    content = stream.read(size + 1)
    if len(content) != size:
        found = f"{len(content):,} are present" if len(content) < size else "it has more"
        raise PipelineError(f"{path} announces {shape[0]:,} items in {size:,} bytes, but {found}; download it again.")
    return np.frombuffer(content, np.uint8).reshape(shape)
