"""A model on disk: a trained head and beside it its backbone, or a whole trained network. The folder alone predicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline_lib.errors import PipelineError
from pipeline_lib.models.files import BACKBONE, SPEC

BATCH = 16
"""Images per forward pass: a handful of photographs should not wait for a large batch to be computed."""


class Model(Protocol):
    """Predicts; the folder it was opened from is all it needs.

    Attributes:
        classes: Names of the classes, in the order of the outputs.
        batch: Images per forward pass.
    """

    classes: Sequence[str]
    batch: int

    def probabilities(self, images: Sequence[Image.Image]) -> NDArray[np.float64]:
        """Return calibrated probabilities (n, classes), rows that sum to 1, of at most ``batch`` RGB images."""
        ...


def open_model(folder: Path) -> Model:
    """Return the model in a folder, the result of a stage ``train``; its kind follows from the files.

    Raises:
        PipelineError: There is no model in the folder, or it is damaged.
    """
    if not folder.is_dir():
        raise PipelineError(f"There is no model at {folder}; train one with 'garbage run', or name its folder with --model")
    return NetworkModel(folder) if (folder / "network.json").is_file() else HeadModel(folder)


class HeadModel:
    """A head with its backbone, labels, preprocessing and temperature; see ``Model`` and ``open_model``."""

    batch = BATCH

    def __init__(self, folder: Path) -> None:
        from pipeline_lib.models.architectures import find_architecture
        from pipeline_lib.models.backbone import pooled_backbone, read_spec
        from pipeline_lib.models.heads import load_head
        from pipeline_lib.models.inference import Predictor

        self._head, self._spec = load_head(folder)
        architecture = find_architecture(read_spec(folder / BACKBONE / SPEC).architecture)
        network, backbone = pooled_backbone(folder / BACKBONE, architecture.load())
        self._backbone, self._preprocessing = Predictor(network, BATCH), backbone.preprocessing
        self.classes: Sequence[str] = self._spec.classes
        width = network[0].out_channels
        if width != self._spec.in_features:
            raise PipelineError(
                f"The head in {folder} takes {self._spec.in_features} features, but the backbone beside it gives "
                f"{width}; the two do not belong together, train again"
            )

    def probabilities(self, images: Sequence[Image.Image]) -> NDArray[np.float64]:
        """See ``Model``."""
        if not images:
            return np.empty((0, len(self.classes)))
        prepared = np.stack([self._preprocessing.array(image) for image in images])
        return _calibrated(self._head, self._backbone.outputs(prepared), self._spec.temperature)


class NetworkModel:
    """A whole network for small grey images, with labels, preprocessing and temperature; see ``Model`` and ``open_model``."""

    batch = BATCH

    def __init__(self, folder: Path) -> None:
        from pipeline_lib.models.networks import load_network

        self._network, self._spec = load_network(folder)
        self.classes: Sequence[str] = self._spec.classes

    def probabilities(self, images: Sequence[Image.Image]) -> NDArray[np.float64]:
        """See ``Model``."""
        if not images:
            return np.empty((0, len(self.classes)))
        prepared = np.stack([self._spec.preprocessing.array(image) for image in images])
        return _calibrated(self._network, prepared, self._spec.temperature)


def _calibrated(network: Any, inputs: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Return the probabilities that a network gives its inputs, after temperature scaling."""
    from scipy.special import softmax

    from pipeline_lib.models.inference import Predictor

    logits = Predictor(network, BATCH).outputs(inputs)
    probabilities: NDArray[np.float64] = softmax(logits.astype(np.float64) / temperature, axis=1)
    return probabilities
