"""The backbone with its pooling, as it runs to compute features: in MindSpore, and exported to ONNX."""

from __future__ import annotations

from pathlib import Path

import mindspore
import numpy as np
import onnx
from mindspore import Tensor, nn

from pipeline_lib.models.backbone import load_backbone
from pipeline_lib.models.mobilenetv2 import GlobalAveragePooling, fold_batch_norms
from pipeline_lib.models.spec import BackboneSpec

ONNX = "backbone.onnx"


def pooled_backbone(folder: Path) -> tuple[nn.SequentialCell, BackboneSpec]:
    """Return the network that maps prepared images (n, 3, size, size) to features (n, out_channels), and its specification.

    Batch norms are folded, so the network can be run but not trained.
    """
    network, spec = load_backbone(folder)
    fold_batch_norms(network)
    return nn.SequentialCell(network, GlobalAveragePooling()).set_train(False), spec


def export_onnx(folder: Path) -> None:
    """Write ``backbone.onnx`` beside the checkpoint in a backbone's folder: input ``images``, any batch size.

    MindSpore exports a graph of a fixed batch size; only its input and output name that size, so they are freed here.
    """
    network, spec = pooled_backbone(folder)
    images = Tensor(np.zeros((1, 3, spec.image_size, spec.image_size), np.float32))
    path = folder / ONNX
    mindspore.export(network, images, file_name=str(path.with_suffix("")), file_format="ONNX")
    model = onnx.load(path)
    _name_anew(model.graph)
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    onnx.checker.check_model(model, full_check=True)
    path.unlink()  # MindSpore makes it read-only
    path.write_bytes(model.SerializeToString(deterministic=True))


def _name_anew(graph: onnx.GraphProto) -> None:
    """Name tensors by their order: MindSpore counts on from one export of a process to the next, so its names differ."""
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
