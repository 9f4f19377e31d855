"""Weights in Keras' HDF5 layouts.

There are that of a saved model (``model_weights/``, where the backbone may be a model within the model) and that of saved
weights (layers at the root).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import PipelineError


def read_keras(path: Path, first: str) -> dict[str, NDArray[np.float32]]:
    """Return the arrays of a Keras network as ``layer/variable``, kernels in MindSpore's layout.

    Of a model within a model, what lies outside its group is left out.

    Args:
        path: The file.
        first: ``layer/variable`` that the network has; without that layer the file holds another network.

    Returns:
        The arrays; none if the file has no such layer.

    Raises:
        PipelineError: The file is damaged.
    """
    arrays: dict[str, NDArray[np.float32]] = {}

    def collect(address: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            layer, variable = address.split("/")[-2:]
            variable = variable.removesuffix(":0").removeprefix("depthwise_")
            arrays[f"{layer}/{variable}"] = _channels_first(np.asarray(item, np.float32), layer)

    try:
        with h5py.File(path) as file:
            for group in _groups_with(file, first.partition("/")[0]):
                group.visititems(collect)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise PipelineError(f"{path} is a damaged HDF5 file ({error}); give an intact one with backbone.weights") from error
    return arrays


def _groups_with(file: h5py.File, layer: str) -> list[h5py.Group]:
    """Return the group that holds a network's layers, in a list; an empty one if none has this layer."""
    top = file.get("model_weights", file)
    groups = [top, *(item for item in top.values() if isinstance(item, h5py.Group))]
    return [group for group in groups if layer in group][:1]


def _channels_first(array: NDArray[np.float32], layer: str) -> NDArray[np.float32]:
    """Turn kernels (h, w, in, out) into (out, in, h, w) and depthwise ones (h, w, c, 1) into (c, 1, h, w)."""
    if array.ndim != 4:
        return array
    return array.transpose(2, 3, 0, 1) if layer.endswith("depthwise") else array.transpose(3, 2, 0, 1)
