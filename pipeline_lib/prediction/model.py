"""A model on disk: a trained head and beside it its backbone, or a whole trained network. The folder alone predicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline_lib.errors import PipelineError
from pipeline_lib.images.noise import noise_level
from pipeline_lib.models.files import BACKBONE

BATCH = 16
"""Images per forward pass: a handful of photographs should not wait for a large batch to be computed."""


class Answers(NamedTuple):
    """What a model says of n images.

    Attributes:
        probabilities: Calibrated, (n, classes), rows that sum to 1.
        noise: Standard deviation of the noise that was removed from each image, of 255; None where it is not estimated.
    """

    probabilities: NDArray[np.float64]
    noise: Sequence[float | None]


class Model(Protocol):
    """Predicts; the folder it was opened from is all it needs.

    Attributes:
        classes: Names of the classes, in the order of the outputs.
        batch: Images per forward pass.
    """

    classes: Sequence[str]
    batch: int

    def answers(self, images: Sequence[Image.Image]) -> Answers:
        """Return what the model says of RGB images, 1 to ``batch``."""
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

    batch = 1  # a batch is always computed in full, one thread is no faster with two, and most photographs come alone

    def __init__(self, folder: Path) -> None:
        from pipeline_lib.features.engine import Engine
        from pipeline_lib.models.heads import load_head

        self._head = load_head(folder)
        self._backbone = Engine(folder / BACKBONE, self.batch)
        spec, preprocessing = self._head.spec, self._backbone.preprocessing
        self.classes: Sequence[str] = spec.classes
        wanted, given = (spec.in_features, spec.noise_aware), (self._backbone.width, preprocessing.noise_aware)
        if wanted != given:
            raise PipelineError(
                f"The head in {folder} takes {_in_words(*wanted)}, but the backbone beside it gives {_in_words(*given)}; "
                "the two do not belong together, train again"
            )

    def answers(self, images: Sequence[Image.Image]) -> Answers:
        """See ``Model``."""
        rows, noise = self.rows(images)
        return Answers(_probabilities(self._head.logits(rows), self.temperature), noise)

    def rows(self, images: Sequence[Image.Image]) -> tuple[NDArray[np.float32], Sequence[float | None]]:
        """Return what the head is given of RGB images, (n, features), the level of noise behind them or not; and that noise."""
        prepared = [self._backbone.preprocessing.prepare(image) for image in images]
        rows: NDArray[Any] = self._backbone(np.stack([each.array for each in prepared]))
        noise = [each.noise for each in prepared]
        if self._head.spec.noise_aware:
            rows = np.column_stack([rows, noise_level(np.array(noise, np.float32))])
        return rows, noise

    @property
    def temperature(self) -> float:
        """What logits are divided by."""
        return self._head.spec.temperature


def _in_words(features: int, noise_aware: bool) -> str:
    return f"{features} features{' and the noise' if noise_aware else ''}"


class NetworkModel:
    """A whole network for small grey images, with labels, preprocessing and temperature; see ``Model`` and ``open_model``."""

    batch = BATCH

    def __init__(self, folder: Path) -> None:
        from pipeline_lib.models.inference import Predictor
        from pipeline_lib.models.networks import load_network

        network, self._spec = load_network(folder)
        self._logits = Predictor(network, self.batch).outputs
        self.classes: Sequence[str] = self._spec.classes

    def answers(self, images: Sequence[Image.Image]) -> Answers:
        """See ``Model``."""
        prepared = np.stack([self._spec.preprocessing.array(image) for image in images])
        return Answers(_probabilities(self._logits(prepared), self._spec.temperature), [None] * len(images))


def _probabilities(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Return softmax(logits / temperature), rows that sum to 1."""
    from scipy.special import softmax

    probabilities: NDArray[np.float64] = softmax(logits.astype(np.float64) / temperature, axis=1)
    return probabilities
