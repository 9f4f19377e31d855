"""What a network said about every view of every image."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import PipelineError
from pipeline_lib.views.view import CLEAN


@dataclass(frozen=True)
class Predictions:
    """The outputs of one network for n rows, each a view of an image.

    Attributes:
        images: (n,) str, the image's key ``<split>/<class>/<name>``; the views of an image share it.
        labels: (n,) int, the true class, 0..C-1.
        views: (n,) str, the view's name: ``clean``, ``aug1``.., or a cell of the robustness grid.
        logits: (n, C) float32, the raw outputs, before softmax and temperature.
        group_of: The group of an image by its key: images of one group show one picture. Others are groups of one.

    Raises:
        PipelineError: The arrays do not fit together, a label is out of range, an output is not finite, or a view of
            an image comes twice.
    """

    images: NDArray[np.str_]
    labels: NDArray[np.integer[Any]]
    views: NDArray[np.str_]
    logits: NDArray[np.float32]
    group_of: Mapping[str, Hashable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = len(self.logits)
        if self.logits.ndim != 2 or not len(self.images) == len(self.labels) == len(self.views) == rows:
            raise PipelineError(
                f"Predictions do not fit together: {len(self.images)} images, {len(self.labels)} labels, {len(self.views)} "
                f"views, outputs of shape {self.logits.shape}; compute the features again."
            )
        if rows and not 0 <= self.labels.min() <= self.labels.max() < self.logits.shape[1]:
            raise PipelineError(
                f"A label lies outside 0..{self.logits.shape[1] - 1}: the model was trained on other classes; train again."
            )
        broken = ~np.isfinite(self.logits).all(axis=1)
        if broken.any():
            raise PipelineError(
                f"The network's output for {self.images[broken][0]} ({self.views[broken][0]}) is not a finite number: "
                "training has diverged; lower train.lr_max."
            )
        if len(set(zip(self.images.tolist(), self.views.tolist(), strict=True))) < rows:
            raise PipelineError("A view of an image was predicted twice; compute the features again.")

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """(n,) int64: the class of the largest output; the first one of equals."""
        return np.asarray(self.logits.argmax(axis=1), np.int64)

    @cached_property
    def clean(self) -> Predictions:
        """The rows of clean views."""
        return self.where(self.views == CLEAN.name)

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """(n,) int64: a number for each picture; views of an image and copies of it share one, others are independent."""
        numbers: dict[tuple[str, Hashable], int] = {}
        group_of = self.group_of
        pictures = (("group", group_of[image]) if image in group_of else ("alone", image) for image in self.images.tolist())
        return np.array([numbers.setdefault(picture, len(numbers)) for picture in pictures], np.int64)

    def where(self, rows: NDArray[np.bool_]) -> Predictions:
        """Return the rows that a (n,) boolean mask selects."""
        return Predictions(self.images[rows], self.labels[rows], self.views[rows], self.logits[rows], self.group_of)

    def relabelled(self, corrections: Mapping[str, int | None]) -> Predictions:
        """Return the rows with other labels: a class by the image's key, or None for an image that is left out."""
        delivered = zip(self.images.tolist(), self.labels.tolist(), strict=True)
        labels = [corrections.get(image, label) for image, label in delivered]
        left = np.array([label is not None for label in labels], np.bool_)
        corrected = np.array([label for label in labels if label is not None], self.labels.dtype)
        return replace(self.where(left), labels=corrected)
