"""PyTorch's files of weights, read without PyTorch and without running what they contain.

Such a file is a pickle, which is a program, and the raw values of its tensors. The program may here call nothing but what
puts a dictionary of tensors together. Both forms are read: that of PyTorch before 1.6, one pickle after the other with the
values behind them, and the present one, a zip archive with ``data.pkl`` and a file of values for each storage.
"""

from __future__ import annotations

import os
import pickle  # only its subclass below unpickles
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import PipelineError

_LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""The pickle of 0x1950a86a20f9469cfc6c, with which files of the first form begin."""

_ZIP_MAGIC = b"PK\x03\x04"

_LEGACY_HEADERS = 3
"""Pickles before the one with the tensors: the magic number, the version of the protocol, sizes of C's types."""

_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}

_DAMAGE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
)
"""What bytes that are no such file make the readers raise."""


def is_torch(path: Path) -> bool:
    """Return whether a file is of one of the two forms, by its content."""
    with path.open("rb") as file:
        return file.read(len(_LEGACY_MAGIC)).startswith((_LEGACY_MAGIC, _ZIP_MAGIC))


def read_torch(path: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors of a saved ``state_dict`` by name, as views of what was read, in the types they have there.

    Raises:
        PipelineError: The file is damaged, or something else than a dictionary of tensors.
    """
    try:
        with path.open("rb") as file:
            tensors, values = (_read_zip if file.read(4) == _ZIP_MAGIC else _read_legacy)(file)
        return {name: tensor.array(values) for name, tensor in tensors.items()}
    except _RefusedError as error:
        raise PipelineError(f"{path} {error}; save the network's state_dict() and give that with backbone.weights") from error
    except _DAMAGE as error:
        raise PipelineError(f"{path} is a damaged PyTorch file ({error}); give an intact one with backbone.weights") from error


class _RefusedError(Exception):
    """What a file is that is not read, in words that follow its path."""


class _Storage(NamedTuple):
    """The values of one or more tensors, by the key under which the file has them."""

    key: str
    dtype: str


class _Tensor(NamedTuple):
    """A tensor before its values are read: a place in a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, values: Mapping[str, bytes]) -> NDArray[Any]:
        """Return the tensor as a view of its storage; ValueError where it does not lie within."""
        dtype = np.dtype(self.storage.dtype)
        strides = tuple(dtype.itemsize * stride for stride in self.strides)
        return np.ndarray(self.shape, dtype, values[self.storage.key], dtype.itemsize * self.offset, strides)


def _tensor(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *rest: Any) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


def _parameter(data: _Tensor, *rest: Any) -> _Tensor:
    return data


_CALLED: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
}


class _Unpickler(pickle.Unpickler):
    """Builds what consists of dictionaries and tensors, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a function or a class of the file."""
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        if (module, name) not in _CALLED:
            raise _RefusedError(f"wants to run {module}.{name}, which may be harmful code")
        return _CALLED[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        """Return a storage for its description: ("storage", type, key, device, number of values, None or a view)."""
        kind, dtype, key, _, _, *view = pid
        if kind != "storage" or any(view):
            raise _RefusedError("contains more than plain tensors")
        return _Storage(str(key), dtype)

    def tensors(self) -> dict[str, _Tensor]:
        """Run the program and return the dictionary of tensors that it must give."""
        found = self.load()
        if not isinstance(found, Mapping) or not all(isinstance(tensor, _Tensor) for tensor in found.values()):
            raise _RefusedError("is no dictionary of tensors")
        return {str(name): tensor for name, tensor in found.items()}


def _read_zip(file: IO[bytes]) -> tuple[dict[str, _Tensor], dict[str, bytes]]:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        program = next((name for name in names if name.endswith("/data.pkl")), None)
        if program is None:
            raise _RefusedError("is a zip archive without data.pkl, so none of PyTorch")
        with archive.open(program) as pickled:
            tensors = _Unpickler(pickled).tensors()
        folder = program.removesuffix("data.pkl") + "data/"
        return tensors, {tensor.storage.key: archive.read(f"{folder}{tensor.storage.key}") for tensor in tensors.values()}


def _read_legacy(file: IO[bytes]) -> tuple[dict[str, _Tensor], dict[str, bytes]]:
    file.seek(0)
    for _ in range(_LEGACY_HEADERS):
        _Unpickler(file).load()
    tensors, keys = _Unpickler(file).tensors(), _Unpickler(file).load()
    dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
    return tensors, {str(key): _values(file, dtypes[str(key)]) for key in keys}


def _values(file: IO[bytes], dtype: str) -> bytes:
    """Return the values of the next storage: their number, 8 bytes, then they themselves."""
    (count,) = struct.unpack("<q", file.read(8))
    size = count * np.dtype(dtype).itemsize
    if not 0 <= size <= os.fstat(file.fileno()).st_size:
        raise ValueError(f"{count} values are more than the file has")
    return file.read(size)
