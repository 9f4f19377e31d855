"""A trained head on disk: its arrays, what belongs to them, and the logits that it gives. Nothing here needs MindSpore."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from threadpoolctl import threadpool_limits

from pipeline_lib.errors import PipelineError
from pipeline_lib.files.description import Description, Temperature, first_fault
from pipeline_lib.models.arrays import Arrays, check_arrays

DESCRIPTION = "head.json"
ARRAYS = "head.npz"


class HeadSpec(Description):
    """All that belongs to a head beside its arrays; ``head.json`` beside ``head.npz``."""

    classes: tuple[str, ...] = Field(min_length=1, description="Names of the classes in the order of the outputs.")
    in_features: int = Field(ge=1, le=100_000, description="Length of a pooled feature vector.")
    hidden: int = Field(ge=0, le=4096, description="Units of the hidden layer; 0 = a single dense layer.")
    noise_aware: bool = Field(description="Whether the image's level of noise is behind its features.")
    temperature: Temperature
    best_epoch: int = Field(ge=1, description="Epoch after which the parameters were taken.")
    parameters: int = Field(ge=1, description="Values in the arrays.")


@dataclass(frozen=True)
class Head:
    """A trained classifier on pooled features.

    Attributes:
        spec: What belongs to it.
        arrays: The parameters of a ``Classifier`` by name.
    """

    spec: HeadSpec
    arrays: Arrays

    def logits(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits (n, classes) of features, (n, in_features) or one more with the level of noise."""
        if self.spec.noise_aware:
            features, level = rows[:, :-1], rows[:, -1:]
            rows = np.concatenate([features, features * level, level], axis=1)
        with threadpool_limits(1, user_api="blas"):  # sums of several threads depend on their number
            if self.spec.hidden:
                rows = np.maximum(self._dense("hidden.0", rows), 0)
            return self._dense("output", rows)

    def _dense(self, layer: str, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        outputs: NDArray[np.float32] = inputs @ self.arrays[f"{layer}.weight"].T + self.arrays[f"{layer}.bias"]
        return outputs


def write_head(folder: Path, spec: HeadSpec, arrays: Mapping[str, NDArray[np.float32]]) -> None:
    """Write ``head.npz`` and ``head.json`` into a folder; the same values give the same bytes."""
    np.savez(folder / ARRAYS, **arrays)
    (folder / DESCRIPTION).write_text(spec.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_head(folder: Path) -> Head:
    """Return the head that ``write_head`` wrote into a folder.

    Raises:
        PipelineError: A file is missing or damaged, or the arrays don't fit the description.
    """
    description, path = folder / DESCRIPTION, folder / ARRAYS
    for file in (description, path):
        if not file.is_file():
            raise PipelineError(f"There is no trained head in {folder}: {file.name} is missing; train one")
    try:
        spec = HeadSpec.model_validate_json(description.read_bytes())
    except ValidationError as error:
        raise PipelineError(f"{description} is damaged: {first_fault(error)}; train again") from error
    try:
        with path.open("rb") as stream, np.load(stream) as stored:
            arrays: Arrays = dict(stored)
    except (ValueError, zipfile.BadZipFile, OSError) as error:
        raise PipelineError(f"{path} is damaged; train again") from error
    check_arrays(_shapes(spec), arrays, str(path), f"train again, {description.name} describes another head")
    return Head(spec, arrays)


def _shapes(spec: HeadSpec) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the parameters of a head."""
    inputs = 2 * spec.in_features + 1 if spec.noise_aware else spec.in_features
    layers = {"hidden.0": (spec.hidden, inputs)} if spec.hidden else {}
    layers["output"] = (len(spec.classes), spec.hidden or inputs)
    weights = {f"{name}.weight": shape for name, shape in layers.items()}
    return weights | {f"{name}.bias": shape[:1] for name, shape in layers.items()}
