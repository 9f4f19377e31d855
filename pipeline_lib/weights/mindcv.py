"""Weights of MindCV's ``mobilenet_v2_*``: which of its numbered layers is which. The arrays need no change."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_CLASSIFIER = "classifier."
_FEATURES = {"stem": 0, "last": 20}
_LAYERS = {"expand": 0, "depthwise": 3, "project": 6}


def is_mindcv(arrays: Mapping[str, NDArray[np.float32]]) -> bool:
    """Return whether a checkpoint's names are those of MindCV's network."""
    return "features.0.weight" in arrays


def without_classifier(arrays: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Leave out MindCV's own classifier, because the pipeline trains its own head."""
    return {name: array for name, array in arrays.items() if not name.startswith(_CLASSIFIER)}


def mindcv_name(name: str) -> str:
    """Return MindCV's name of a backbone parameter: ``features.6.layers.1.gamma`` for ``blocks.3.expand.bn.gamma``.

    Convolution, batch norm and ReLU6 have consecutive numbers; the stem takes 0..2, so block i is number i + 3. The first
    block has no expansion, which moves its numbers by three.
    """
    unit, part, variable = name.rsplit(".", 2)
    step = 1 if part == "bn" else 0
    if unit in _FEATURES:
        return f"features.{_FEATURES[unit] + step}.{variable}"
    _, index, layer = unit.split(".")
    number = _LAYERS[layer] + step - (3 if index == "0" else 0)
    return f"features.{int(index) + 3}.layers.{number}.{variable}"
