"""An IDX file is read whole, plain or gzipped, or refused in one sentence that names it."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from idx_files import idx_bytes

from pipeline_lib.errors import PipelineError
from pipeline_lib.mnist.idx import read_idx

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
WHOLE = idx_bytes(IMAGES)
PACKED = gzip.compress(WHOLE, mtime=0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(array=arrays(np.uint8, array_shapes(min_dims=1, max_dims=3, max_side=6)), packed=st.booleans())
def test_what_was_written_is_read(array: np.ndarray, packed: bool, tmp_path: Path) -> None:
    content = idx_bytes(array)
    (tmp_path / "file").write_bytes(gzip.compress(content) if packed else content)
    read = read_idx(tmp_path / "file", array.ndim)
    assert read.dtype == np.uint8
    assert np.array_equal(read, array)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (idx_bytes(IMAGES, magic=2049), r"not an IDX file of images: its magic number is 2049 instead of 2051"),
        (b"<!DOCTYPE html><html>", r"magic number is 1008813135 instead of 2051"),
        (b"", r"ends within its header of 16 bytes"),
        (WHOLE[:10], r"ends within its header of 16 bytes"),
        (WHOLE[:-1], r"announces 2 items in 24 bytes, but 23 are present"),
        (WHOLE + b"\0", r"announces 2 items in 24 bytes, but it has more"),
        (idx_bytes(IMAGES, count=3), r"announces 3 items in 36 bytes, but 24 are present"),
        (struct.pack(">4I", 2051, 2**31, 2**31, 2**31), r"more than the 1,073,741,824 allowed"),
        (PACKED[:-9], r"damaged gzip file"),
        (PACKED[:-8] + b"\0" * 8, r"damaged gzip file"),
        (PACKED[:10] + b"\xff" * 20, r"damaged gzip file"),
        (gzip.compress(WHOLE[:-1], mtime=0), r"announces 2 items in 24 bytes, but 23 are present"),
    ],
    ids=(
        "labels instead of images",
        "a web page",
        "empty",
        "header cut off",
        "last byte missing",
        "a byte too many",
        "count too high",
        "absurd sizes",
        "gzip cut off",
        "gzip checksum wrong",
        "gzip damaged",
        "packed and short",
    ),
)
def test_what_is_no_whole_idx_file_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(PipelineError, match=sentence) as caught:
        read_idx(tmp_path / "images", 3)
    assert str(tmp_path / "images") in str(caught.value)


def test_a_file_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="cannot be read: No such file"):
        read_idx(tmp_path / "none", 1)
