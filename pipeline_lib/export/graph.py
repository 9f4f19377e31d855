"""A whole model as one ONNX graph: a picture's pixels in, calibrated probabilities out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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

ROWS, LEVEL = "rows", "level"
"""Names of what the last layer of the head takes: rows, and the level of noise beside them where no layer has taken it."""

_PREPARED, _FEATURES, _LEVEL = "prepared", "features", "noise_level"


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
    outputs: list[Value] = [(PROBABILITIES, TensorProto.FLOAT, [1, len(source.head.spec.classes)])]
    return _graph(source, backbone, _answer, outputs)


def rows_graph(source: Source, backbone: ModelProto) -> ModelProto:
    """Return a model without the last layer of its head as one graph, for whoever goes on to train that layer.

    Its input is that of ``whole_graph``. Its outputs are ``rows``, float32 (1, width): features, or what a hidden layer makes
    of them; of a noise-aware model ``noise``; and of one without a hidden layer ``level``, float32 (1,), see ``Head.logits``.

    Args:
        source: The model.
        backbone: Its backbone as ``backbone_graph`` gives it, or one that takes its place.
    """
    spec = source.head.spec
    outputs: list[Value] = [(ROWS, TensorProto.FLOAT, [1, spec.hidden or spec.in_features])]
    if spec.noise_aware and not spec.hidden:
        outputs.append((LEVEL, TensorProto.FLOAT, [1]))
    return _graph(source, backbone, _before_last, outputs)


def _graph(source: Source, backbone: ModelProto, end: Callable[[Nodes, Head], str], outputs: Sequence[Value]) -> ModelProto:
    """Return preparation, backbone and what is behind it as one graph.

    Args:
        source: The model.
        backbone: Its backbone.
        end: Adds what is behind the backbone and returns the name of the first output.
        outputs: Name, type and shape of the outputs beside the noise.
    """
    add, spec = Nodes("head/"), source.head.spec
    inputs: list[Value] = [(_FEATURES, TensorProto.FLOAT, [1, spec.in_features])]
    inputs += [(_LEVEL, TensorProto.FLOAT, [1])] if spec.noise_aware else []
    add.named(end(add, source.head), outputs[0][0])
    for name, *_ in outputs[1:]:
        add.named(_LEVEL, name)
    backbone = compose.add_prefix(backbone, "backbone/")
    first, last = backbone.graph.input[0].name, backbone.graph.output[0].name
    model = compose.merge_models(_preparation(source.spec.preprocessing), backbone, io_map=[(_PREPARED, first)])
    links = [(last, _FEATURES)] + ([(_LEVEL, _LEVEL)] if spec.noise_aware else [])
    model = compose.merge_models(model, add.model(inputs, outputs), io_map=links, name="model")
    ordered = sorted(model.graph.output, key=lambda output: output.name != outputs[0][0])
    del model.graph.output[:]
    model.graph.output.extend(ordered)
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


def _answer(add: Nodes, head: Head) -> str:
    """Add what a head makes of features and the level of noise, and softmax: see ``Head.logits``."""
    rows = _before_last(add, head)
    if head.spec.noise_aware and not head.spec.hidden:
        rows = _with_level(add, rows)
    logits = add("Div", _dense(add, head, "output", rows), np.array(head.spec.temperature, np.float32))
    return add("Softmax", logits, axis=1)


def _before_last(add: Nodes, head: Head) -> str:
    """Add what comes before the last layer, if anything does, and return the name of its rows."""
    if not head.spec.hidden:
        return add("Identity", _FEATURES)
    rows = _with_level(add, _FEATURES) if head.spec.noise_aware else _FEATURES
    return add("Relu", _dense(add, head, "hidden.0", rows))


def _with_level(add: Nodes, rows: str) -> str:
    column = add("Unsqueeze", _LEVEL, integers(1))
    return add("Concat", rows, add("Mul", rows, column), column, axis=1)


def _dense(add: Nodes, head: Head, layer: str, rows: str) -> str:
    return add("Gemm", rows, head.arrays[f"{layer}.weight"], head.arrays[f"{layer}.bias"], transB=1)
