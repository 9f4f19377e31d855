"""A whole model as one ONNX graph: a picture's pixels in, calibrated probabilities out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, compose, version_converter

from pipeline_lib.export.nodes import IR_VERSION, OPSET, Nodes, Value, integers, set_metadata
from pipeline_lib.export.noise import cleaned, estimate, level
from pipeline_lib.export.picture import square
from pipeline_lib.export.source import Source
from pipeline_lib.images.preprocessing import Preprocessing
from pipeline_lib.models.files import ONNX
from pipeline_lib.models.heads import Head

INPUT, PROBABILITIES, NOISE = "images", "probabilities", "noise"
"""Names of the input and of the outputs."""

_PREPARED, _LEVEL, _FEATURES = "prepared", "level", "features"


def backbone_graph(source: Source) -> ModelProto:
    """Return the backbone of a model, prepared images (n, 3, size, size) in and features out, in the opset of exports."""
    model = version_converter.convert_version(onnx.load(source.backbone / ONNX), OPSET)
    model.ir_version = IR_VERSION
    return model


def whole_graph(source: Source, backbone: ModelProto) -> ModelProto:
    """Return a model as one graph.

    Its input is ``images``, uint8 (1, h, w, 3): red, green and blue of one upright picture of any size. Its outputs are
    ``probabilities``, float32 (1, classes), calibrated, and, of a noise-aware model, ``noise``, float32 (1,), of 255. The same
    model gives the same bytes.

    Args:
        source: The model.
        backbone: Its backbone as ``backbone_graph`` gives it, or one that takes its place.
    """
    aware = source.head.spec.noise_aware
    backbone = compose.add_prefix(backbone, "backbone/")
    start, end = backbone.graph.input[0].name, backbone.graph.output[0].name
    model = compose.merge_models(_preparation(source.spec.preprocessing), backbone, io_map=[(_PREPARED, start)])
    links = [(end, _FEATURES)] + ([(_LEVEL, _LEVEL)] if aware else [])
    model = compose.merge_models(model, _answer(source.head), io_map=links, name="model")
    outputs = sorted(model.graph.output, key=lambda output: output.name != PROBABILITIES)
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    model.producer_name, model.producer_version = "garbage-finetune", ""
    set_metadata(model, source.described())
    onnx.checker.check_model(model, full_check=True)
    return model


def _preparation(preprocessing: Preprocessing) -> ModelProto:
    """Return what ``Preprocessing.prepare`` does as a graph: the picture in, the prepared image and its noise out."""
    add, size = Nodes("preparation/"), preprocessing.size
    pixels, noise = square(add, INPUT, size), ""
    if preprocessing.noise_aware:
        noise = estimate(add, pixels)
        pixels = cleaned(add, pixels, noise, size)
        add.named(noise, NOISE)
        add.named(level(add, noise), _LEVEL)
    if preprocessing.channels == "BGR":
        pixels = add("Gather", pixels, integers(2, 1, 0), axis=1)
    mean, std = (np.array(each, np.float32).reshape(1, 3, 1, 1) for each in (preprocessing.mean, preprocessing.std))
    add.named(add("Div", add("Sub", pixels, mean), std), _PREPARED)
    outputs: list[Value] = [(_PREPARED, TensorProto.FLOAT, [1, 3, size, size])]
    if noise:
        outputs += [(NOISE, TensorProto.FLOAT, [1]), (_LEVEL, TensorProto.FLOAT, [1])]
    return add.model([(INPUT, TensorProto.UINT8, [1, "height", "width", 3])], outputs)


def _answer(head: Head) -> ModelProto:
    """Return what a head makes of features and the level of noise as a graph: see ``Head.logits``, then softmax."""
    add, spec = Nodes("head/"), head.spec
    rows, inputs = _FEATURES, [(_FEATURES, TensorProto.FLOAT, [1, spec.in_features])]
    if spec.noise_aware:
        inputs.append((_LEVEL, TensorProto.FLOAT, [1]))
        column = add("Unsqueeze", _LEVEL, integers(1))
        rows = add("Concat", _FEATURES, add("Mul", _FEATURES, column), column, axis=1)
    if spec.hidden:
        rows = add("Relu", _dense(add, head, "hidden.0", rows))
    logits = add("Div", _dense(add, head, "output", rows), np.array(spec.temperature, np.float32))
    add.named(add("Softmax", logits, axis=1), PROBABILITIES)
    described: Sequence[Value] = inputs
    return add.model(described, [(PROBABILITIES, TensorProto.FLOAT, [1, len(spec.classes)])])


def _dense(add: Nodes, head: Head, layer: str, rows: str) -> str:
    return add("Gemm", rows, head.arrays[f"{layer}.weight"], head.arrays[f"{layer}.bias"], transB=1)
