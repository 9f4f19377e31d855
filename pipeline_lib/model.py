"""A model on disk: the trained head, and beside it the backbone it was trained on. The folder alone predicts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline_lib.errors import PipelineError
from pipeline_lib.links import link_or_copy

BACKBONE = "backbone"
BATCH = 16
"""Images a forward pass: a handful of photographs should not wait for a large batch to be computed."""


class Model:
    """A head with its backbone, labels, preprocessing and temperature.

    Args:
        folder: The result of the stage ``train``.

    Attributes:
        classes: Names of the classes, in the order of the outputs.
        batch: Images a forward pass.

    Raises:
        PipelineError: There is no model in the folder, or it is damaged.
    """

    batch = BATCH

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise PipelineError(f"There is no model at {folder}; train one with 'garbage run', or name its folder with --model")
        from pipeline_lib.features.engines import engine
        from pipeline_lib.training.head import load_head

        self._head, self._spec = load_head(folder)
        self._engine = engine(folder / BACKBONE, BATCH, "mindspore")
        self.classes: Sequence[str] = self._spec.classes

    def probabilities(self, images: Sequence[Image.Image]) -> NDArray[np.float64]:
        """Return calibrated probabilities (n, classes), rows that sum to 1, of at most ``batch`` RGB images."""
        from scipy.special import softmax

        from pipeline_lib.training.inference import Predictor

        if not images:
            return np.empty((0, len(self.classes)))
        prepared = np.stack([self._engine.preprocessing.array(image) for image in images])
        logits = Predictor(self._head, BATCH).logits(self._engine(prepared))
        probabilities: NDArray[np.float64] = softmax(logits.astype(np.float64) / self._spec.temperature, axis=1)
        return probabilities


def keep_backbone(model: Path, backbone: Path) -> None:
    """Put the backbone's files into a model's folder."""
    target = model / BACKBONE
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name in ("backbone.ckpt", "backbone.json"):
        link_or_copy(backbone / name, target / name)
