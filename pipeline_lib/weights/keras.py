"""Weights in Keras' HDF5 layout: how they are stored in the file, and which layer is which.

The layer names are those of ``keras.applications.MobileNetV2``, the layouts those of a saved model (``model_weights/``,
where the backbone may be a model within the model) and of saved weights (layers at the root).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import PipelineError

TOP_LAYERS = re.compile(r"(predictions|logits|dense(_\d+)?)", re.IGNORECASE)
"""Classification layers that may be among the backbone's: left out, because the pipeline trains its own head."""

_UNIT_LAYERS = {
    ("stem", "conv"): "Conv1",
    ("stem", "bn"): "bn_Conv1",
    ("last", "conv"): "Conv_1",
    ("last", "bn"): "Conv_1_bn",
}


def keras_name(name: str) -> str:
    """Return the Keras name of a backbone parameter: ``block_3_expand_BN/gamma`` for ``blocks.3.expand.bn.gamma``."""
    unit, part, variable = name.rsplit(".", 2)
    layer = _UNIT_LAYERS.get((unit, part))
    if layer is None:
        _, index, step = unit.split(".")
        block = "expanded_conv" if index == "0" else f"block_{index}"
        layer = f"{block}_{step}_BN" if part == "bn" else f"{block}_{step}"
    return f"{layer}/{'kernel' if variable == 'weight' else variable}"


def read_keras(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the backbone's arrays of a Keras file as ``layer/variable``, kernels in MindSpore's layout.

    Whatever was built on top of the backbone is left out: what lies outside its group when it is a model within a model,
    and :data:`TOP_LAYERS` beside its layers.

    Raises:
        PipelineError: The file is damaged or holds no MobileNetV2.
    """
    arrays: dict[str, NDArray[np.float32]] = {}

    def collect(address: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            layer, variable = address.split("/")[-2:]
            if not TOP_LAYERS.fullmatch(layer):
                variable = variable.removesuffix(":0").removeprefix("depthwise_")
                arrays[f"{layer}/{variable}"] = _channels_first(np.asarray(item, np.float32), layer)

    try:
        with h5py.File(path) as file:
            _backbone_group(file, path).visititems(collect)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise PipelineError(f"{path} is a damaged HDF5 file ({error}); give an intact one with backbone.weights") from error
    return arrays


def _backbone_group(file: h5py.File, path: Path) -> h5py.Group:
    """Return the group that holds the backbone's layers."""
    top = file.get("model_weights", file)
    groups = [top, *(item for item in top.values() if isinstance(item, h5py.Group))]
    for group in groups:
        if "Conv1" in group:
            return group
    raise PipelineError(
        f"{path} is not a MobileNetV2 of Keras: it has no layer Conv1; give a file of keras.applications.MobileNetV2"
    )


def _channels_first(array: NDArray[np.float32], layer: str) -> NDArray[np.float32]:
    """Turn kernels (h, w, in, out) into (out, in, h, w) and depthwise ones (h, w, c, 1) into (c, 1, h, w)."""
    if array.ndim != 4:
        return array
    return array.transpose(2, 3, 0, 1) if layer.endswith("depthwise") else array.transpose(3, 2, 0, 1)
