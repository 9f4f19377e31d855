"""Files of weights as PyTorch writes them, written without PyTorch: pickles put together by hand, from arrays."""

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

STORAGES = {"float16": "HalfStorage", "float32": "FloatStorage", "float64": "DoubleStorage", "int64": "LongStorage"}
START, STOP, MARK, TUPLE, EMPTY_DICT, SETITEMS, REDUCE, PERSISTENT, NONE, FALSE = (
    b"\x80\x02", b".", b"(", b"t", b"}", b"u", b"R", b"Q", b"N", b"\x89",
)  # fmt: skip
LEGACY_HEADERS = (
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
    b"\x80\x02M\xe9\x03.",
    b"\x80\x02}X\x0d\x00\x00\x00little_endian\x88s.",
)


def write_zip(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write what ``torch.save`` of PyTorch 1.6 and later writes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", program(tensors(arrays, legacy=False)))
        for number, array in enumerate(arrays.values()):
            archive.writestr(f"archive/data/{number}", array.tobytes())
        archive.writestr("archive/version", "3\n")
    return path


def write_legacy(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write what ``torch.save`` wrote before PyTorch 1.6."""
    keys = b"".join(text(str(number)) for number in range(len(arrays)))
    values = [struct.pack("<q", array.size) + array.tobytes() for array in arrays.values()]
    described = [program(tensors(arrays, legacy=True)), program(b"]" + MARK + keys + b"e")]
    path.write_bytes(b"".join([*LEGACY_HEADERS, *described, *values]))
    return path


WRITERS = {"zip": write_zip, "legacy": write_legacy}


def program(expression: bytes) -> bytes:
    return START + expression + STOP


def tensors(arrays: Mapping[str, np.ndarray], *, legacy: bool) -> bytes:
    """The program that gives a dictionary of tensors, each with a storage of its own."""
    items = [text(name) + tensor(array, str(number), legacy=legacy) for number, (name, array) in enumerate(arrays.items())]
    return call("collections", "OrderedDict") + MARK + b"".join(items) + SETITEMS


def tensor(array: np.ndarray, key: str, *, legacy: bool = False, offset: int = 0) -> bytes:
    view = [NONE] if legacy else []
    kind = name_of("torch", STORAGES[array.dtype.name])
    storage = sequence(text("storage"), kind, text(key), text("cpu"), number(array.size), *view) + PERSISTENT
    strides = [stride // array.itemsize for stride in array.strides]
    shape = (sequence(*map(number, values)) for values in (array.shape, strides))
    return call(
        "torch._utils", "_rebuild_tensor_v2", storage, number(offset), *shape, FALSE, call("collections", "OrderedDict")
    )


def call(module: str, name: str, *arguments: bytes) -> bytes:
    return name_of(module, name) + sequence(*arguments) + REDUCE


def name_of(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def sequence(*items: bytes) -> bytes:
    return MARK + b"".join(items) + TUPLE


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)
