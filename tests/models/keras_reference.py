"""A Keras model run by NumPy from what its own file says: the layer list, and the weights below each layer's name.

It shares nothing with the product (no mapping, no layout change, no MindSpore; channels last, float64), so agreement
between the two is evidence for the product's mapping, padding and epsilon.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def pooled_features(path: Path, images: np.ndarray) -> np.ndarray:
    """Run the model within the model of a saved Keras file on (n, h, w, 3) and average each channel of its output."""
    with h5py.File(path) as file:
        outer = json.loads(file.attrs["model_config"])["config"]
        model = next(layer["config"] for layer in outer["layers"] if layer["class_name"] == "Functional")
        group = file["model_weights"][model["name"]]
        values = {}
        for layer in model["layers"]:
            inputs = [values[name] for name in _inbound(layer["inbound_nodes"])] or [images.astype(np.float64)]
            weights = {name: group[layer["name"]][name][()].astype(np.float64) for name in group.get(layer["name"], ())}
            values[layer["name"]] = _OPERATIONS[layer["class_name"]](layer["config"], weights, *inputs)
    return values[layer["name"]].mean(axis=(1, 2))


def _inbound(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _inbound(item)
    elif isinstance(node, dict) and "keras_history" in node:
        yield node["keras_history"][0]
    elif isinstance(node, dict):
        yield from _inbound(list(node.values()))


def _windows(config: dict, x: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield, for each position in the kernel, the input values it meets."""
    (kh, kw), (sh, sw) = config["kernel_size"], config["strides"]
    if config["padding"] == "same":
        pads = []
        for size, kernel, stride in ((x.shape[1], kh, sh), (x.shape[2], kw, sw)):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads.append((total // 2, total - total // 2))
        x = np.pad(x, ((0, 0), *pads, (0, 0)))
    rows, columns = (x.shape[1] - kh) // sh + 1, (x.shape[2] - kw) // sw + 1
    for i in range(kh):
        for j in range(kw):
            yield i, j, x[:, i : i + sh * rows : sh, j : j + sw * columns : sw]


def _conv(config: dict, weights: dict, x: np.ndarray) -> np.ndarray:
    return sum(window @ weights["kernel"][i, j] for i, j, window in _windows(config, x))


def _depthwise(config: dict, weights: dict, x: np.ndarray) -> np.ndarray:
    return sum(window * weights["kernel"][i, j, :, 0] for i, j, window in _windows(config, x))


def _batch_norm(config: dict, weights: dict, x: np.ndarray) -> np.ndarray:
    scale = weights["gamma"] / np.sqrt(weights["moving_variance"] + config["epsilon"])
    return (x - weights["moving_mean"]) * scale + weights["beta"]


_OPERATIONS = {
    "InputLayer": lambda config, weights, x: x,
    "Conv2D": _conv,
    "DepthwiseConv2D": _depthwise,
    "BatchNormalization": _batch_norm,
    "ReLU": lambda config, weights, x: np.clip(x, 0, config["max_value"]),
    "ZeroPadding2D": lambda config, weights, x: np.pad(x, ((0, 0), *config["padding"], (0, 0))),
    "Add": lambda config, weights, x, y: x + y,
}
