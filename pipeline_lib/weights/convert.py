"""Pretrained backbones: from a weight file of any known kind to a checkpoint of this project.

Kinds are told apart by content: Keras' HDF5, PyTorch's files, MindSpore's checkpoints, a checkpoint of this project. Whatever
the kind, every parameter of the network is set from the file, or the file is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import h5py
from mindspore import nn
from numpy.typing import NDArray

from pipeline_lib.errors import PipelineError
from pipeline_lib.models.architecture import Architecture
from pipeline_lib.models.backbone import new_backbone, read_spec
from pipeline_lib.models.files import CHECKPOINT, SPEC
from pipeline_lib.models.parameters import assign, read_parameters, write_parameters
from pipeline_lib.models.published import Published
from pipeline_lib.models.spec import BackboneSpec, Convention
from pipeline_lib.settings.sections import BackboneSettings
from pipeline_lib.weights.keras import read_keras
from pipeline_lib.weights.sources import LocalFile, RandomWeights, Source, fetch_weights, spec_beside
from pipeline_lib.weights.torch import is_torch, read_torch


class Weights(NamedTuple):
    """The content of a weight file.

    Attributes:
        kind: The library whose layout it has, or "project".
        arrays: Values by the file's own names, in MindSpore's layout, what the backbone has no use for left out.
        name_in_file: Maps a backbone parameter's name to its name in the file.
        convention: What belongs to the weights beside their numbers.
    """

    kind: str
    arrays: Mapping[str, NDArray[Any]]
    name_in_file: Callable[[str], str]
    convention: Convention


def read_weights(path: Path, architecture: Architecture) -> Weights:
    """Read a weight file; its kind follows from its content, not from its name.

    Raises:
        PipelineError: It is damaged, of no known kind, of another architecture, or a checkpoint of this project without its
            specification.
    """
    container = _container(path)
    for layout in (each for each in architecture.layouts if each.container == container):
        arrays = read_keras(path, layout.first) if container == "hdf5" else _READERS[container](path)
        if layout.first in arrays:
            kept = {name: array for name, array in arrays.items() if not layout.left_out.fullmatch(name)}
            return Weights(layout.source, kept, layout.name, layout.convention)
    if container == "mindspore" and spec_beside(path).is_file():
        return _own(path, architecture)
    layouts = ", ".join(layout.source for layout in architecture.layouts)
    raise PipelineError(
        f"{path} holds no weights of {architecture.name} in a known layout ({layouts}), nor is it a checkpoint of this project "
        f"with its {spec_beside(path).name} beside it; give another file or another backbone.architecture"
    )


_READERS: dict[str, Callable[[Path], Mapping[str, NDArray[Any]]]] = {"mindspore": read_parameters, "torch": read_torch}


def _container(path: Path) -> Literal["hdf5", "torch", "mindspore"]:
    if h5py.is_hdf5(path):
        return "hdf5"
    return "torch" if is_torch(path) else "mindspore"


def _own(path: Path, architecture: Architecture) -> Weights:
    spec = read_spec(spec_beside(path))
    if spec.architecture != architecture.name:
        raise PipelineError(
            f"{path} is a {spec.architecture} and no {architecture.name}; set backbone.architecture={spec.architecture}, "
            "or give another file"
        )
    return Weights("project", read_parameters(path), str, spec.convention)


class _Origin(NamedTuple):
    source: str
    sha256: str | None
    convention: Convention


def build_backbone(
    folder: Path,
    architecture: Architecture,
    weights: Source,
    settings: BackboneSettings,
    *,
    image_size: int,
    seed: int,
    cache: Path,
) -> dict[str, str | int | float | None]:
    """Write a backbone as ``backbone.ckpt`` and ``backbone.json`` into a folder; same inputs, same bytes.

    Args:
        folder: Where to write; it exists.
        architecture: What is built.
        weights: What its parameters are set from.
        settings: Its width (published weights are for 1.0), its depths, and whether it is noise-aware.
        image_size: Side of the square input in pixels, a multiple of 32.
        seed: Seed of the weights when they are random; of no influence otherwise.
        cache: Folder that keeps downloads.

    Returns:
        A summary for people: the specification without the preparation of images, the image size, and what is known of
        published weights.

    Raises:
        PipelineError: The weights can't be had, are damaged, or don't fit the network.
    """
    if isinstance(weights, RandomWeights):
        network = new_backbone(architecture, architecture.convention, settings.width, seed)
        origin = _Origin(weights.name, None, architecture.convention)
    else:
        network, origin = _pretrained(architecture, weights, settings.width, cache)
    spec = BackboneSpec(
        architecture=architecture.name,
        source=origin.source,
        sha256=origin.sha256,
        width=settings.width,
        padding=origin.convention.padding,
        bn_eps=origin.convention.bn_eps,
        depths=architecture.depths if settings.depths == "several" else (),
        mirrored=settings.mirrored,
        parameters=sum(parameter.size for parameter in network.get_parameters()),
        preprocessing=origin.convention.preprocessing(image_size, noise_aware=settings.noise_aware),
    )
    write_parameters(network, folder / CHECKPOINT)
    (folder / SPEC).write_text(spec.model_dump_json(indent=2) + "\n", encoding="utf-8")
    known = {"trained_on": weights.trained_on, "licence": weights.licence} if isinstance(weights, Published) else {}
    return {**spec.model_dump(exclude={"preprocessing"}), **known, "image_size": image_size}


def _pretrained(
    architecture: Architecture, weights: Published | LocalFile, width: float, cache: Path
) -> tuple[nn.Cell, _Origin]:
    published = isinstance(weights, Published)
    if published and width != 1.0:
        raise PipelineError(
            f"the weights {weights.name!r} exist for backbone.width=1 only, not {width:g}; set it to 1, or use "
            "backbone.weights=random or a file of that width"
        )
    file = fetch_weights(weights, cache)
    content = read_weights(file.path, architecture)
    network = new_backbone(architecture, content.convention, width)
    advice = f"give weights of a {architecture.name} of width {width:g} (backbone.weights) or set their width (backbone.width)"
    assign(network, content.arrays, str(file.path), advice, content.name_in_file)
    return network, _Origin(weights.name if published else f"{content.kind} file", file.sha256, content.convention)
