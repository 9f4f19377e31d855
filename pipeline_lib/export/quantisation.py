"""A backbone whose convolutions, but for the first ones, compute with whole numbers of 8 bits."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from pipeline_lib.export.photographs import Photograph
from pipeline_lib.images.preprocessing import Preprocessing
from pipeline_lib.settings.sections import TrainViewSettings
from pipeline_lib.views.augment import augment, generator
from pipeline_lib.views.view import augmented_views

CALIBRATED_ON = 64
"""Photographs of train, each clean and in one augmented view; more change no figure."""

FLOAT = 3
"""Convolutions at the input that stay as they are. They are few numbers and most of the error: rounded, MobileNetV2's features
are 22 % of their length away, with three in float 13 %, with eight 12 %, and of these it takes the least time."""


def quantised(backbone: ModelProto, preprocessing: Preprocessing, train: Sequence[Photograph], folder: Path) -> ModelProto:
    """Return a backbone with weights of 8 bits, scaled for each channel, and activations of 8 bits, scaled for each tensor.

    The first `FLOAT` convolutions keep float32. Static: the range of every activation is that of views of train, clean ones and
    noisy ones alike. Preparation of the picture and head stay as they are: they are little work, and the head's sums are
    what the probabilities hang on.

    Args:
        backbone: Prepared images (n, 3, size, size) in, features out.
        preprocessing: How images are prepared.
        train: Photographs of train, at least 1.
        folder: An existing folder for what is written on the way.
    """
    before, after = folder / "backbone.onnx", folder / "backbone-int8.onnx"
    named = _named(backbone)
    onnx.save(named, before)
    logging.getLogger().addFilter(_unasked)
    try:
        quantize_static(
            before,
            after,
            _Views(preprocessing, train, backbone.graph.input[0].name),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[node.name for node in named.graph.node if node.op_type == "Conv"][:FLOAT],
        )
    finally:
        logging.getLogger().removeFilter(_unasked)
    made = onnx.load(after)
    for file in (before, after):
        file.unlink()
    return made


def _named(backbone: ModelProto) -> ModelProto:
    """Return a copy whose nodes have names of their own, by which the quantisation knows what to leave."""
    copy = ModelProto()
    copy.CopyFrom(backbone)
    for number, node in enumerate(copy.graph.node):
        node.name = f"{node.op_type}_{number}"
    return copy


def _unasked(record: logging.LogRecord) -> bool:
    """Drop the advice to optimise the graph first: MindSpore has exported it with folded batch norms."""
    return "pre-processing" not in record.getMessage()


class _Views(CalibrationDataReader):
    """Hands out prepared images, one at a time."""

    def __init__(self, preprocessing: Preprocessing, train: Sequence[Photograph], name: str) -> None:
        self._images, self._name = _prepared(preprocessing, train), name

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """Return the next input, None behind the last one."""
        image = next(self._images, None)
        return None if image is None else {self._name: image[None]}


def _prepared(preprocessing: Preprocessing, train: Sequence[Photograph]) -> Iterator[NDArray[np.float32]]:
    count, view = min(CALIBRATED_ON, len(train)), augmented_views(TrainViewSettings(views=1))[0]
    for photograph in (train[number * len(train) // count] for number in range(count)):
        image = photograph.read()
        drawn, _ = augment(image, view, generator(1, photograph.key, view.name), preprocessing.size)
        yield from (preprocessing.prepare(each).array for each in (image, drawn))
