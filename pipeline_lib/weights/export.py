"""The backbone with its pooling, exported from MindSpore to ONNX, and compared with MindSpore before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
import onnx
from mindspore import Tensor, nn
from PIL import Image

from pipeline_lib.errors import PipelineError
from pipeline_lib.features.engine import Engine
from pipeline_lib.models.architecture import Architecture
from pipeline_lib.models.backbone import pooled_backbone
from pipeline_lib.models.files import ONNX
from pipeline_lib.models.inference import Predictor

TOLERANCE = 1e-3
"""Maximum difference of features, which are in 0..6: another order of summation changes them by about 3e-5."""


def export_onnx(folder: Path, architecture: Architecture) -> None:
    """Write ``backbone.onnx`` beside the checkpoint in a backbone's folder."""
    network, spec = pooled_backbone(folder, architecture)
    write_onnx(network, spec.image_size, folder / ONNX)


def write_onnx(network: nn.Cell, image_size: int, path: Path) -> None:
    """Write a network that maps prepared images to rows as an ONNX graph: input ``images``, any batch size.

    MindSpore exports a graph of a fixed batch size; only its input and output name that size, so they are freed here.
    """
    images = Tensor(np.zeros((1, 3, image_size, image_size), np.float32))
    mindspore.export(network, images, file_name=str(path.with_suffix("")), file_format="ONNX")
    model = onnx.load(path)
    _name_anew(model.graph)
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    onnx.checker.check_model(model, full_check=True)
    path.unlink()  # MindSpore makes it read-only
    path.write_bytes(model.SerializeToString(deterministic=True))


def compare_export(folder: Path, architecture: Architecture, pictures: Sequence[Image.Image]) -> dict[str, Any]:
    """Compute features of RGB pictures with MindSpore and with onnxruntime; return the figures of the comparison.

    Returns:
        ``pictures_compared``, the ``largest_difference`` of a feature, and the ``allowed_difference``.

    Raises:
        PipelineError: The features differ by more than ``TOLERANCE``.
    """
    network, spec = pooled_backbone(folder, architecture)
    images = np.stack([spec.preprocessing.prepare(picture).array for picture in pictures])
    expected = Predictor(network, len(images)).outputs(images)
    difference = float(np.abs(Engine(folder, len(images))(images) - expected).max())
    if not difference <= TOLERANCE:
        raise PipelineError(
            f"onnxruntime's features differ from MindSpore's by {difference:.2g} (at most {TOLERANCE:g} is allowed), so the "
            "exported backbone cannot be used; install the versions of the lock file, or use another backbone.weights"
        )
    return {
        "pictures_compared": len(images),
        "largest_difference": float(f"{difference:.2g}"),
        "allowed_difference": TOLERANCE,
    }


def _name_anew(graph: onnx.GraphProto) -> None:
    """Name tensors by their order: MindSpore's names contain numbers that differ from one export of a process to the next."""
    outputs = [output for node in graph.node for output in node.output]
    names = {old: f"t{number}" for number, old in enumerate(outputs)}
    names |= {tensor.name: f"w{number}" for number, tensor in enumerate(graph.initializer)}
    names |= {graph.input[0].name: "images", graph.output[0].name: "features"}
    for node in graph.node:
        node.name = ""
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    for value in (*graph.initializer, graph.input[0], graph.output[0]):
        value.name = names[value.name]
    graph.name = "backbone"
