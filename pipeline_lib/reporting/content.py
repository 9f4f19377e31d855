"""What a report is made from: plain data and the paths of files. Whatever is left out leaves its section out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Scalar = str | int | float | bool | None
Facts = dict[str, Scalar]
"""Label -> value, in the order in which they are shown."""


class _Plain(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Picture(_Plain):
    """A picture file, JPEG or PNG, to be shown with a title and a caption."""

    path: Path
    title: str
    caption: str = ""


class Timing(_Plain):
    """How long a stage took when it was computed, and its rate where it has one."""

    stage: str
    seconds: float = Field(ge=0)
    images_per_second: float | None = Field(None, ge=0)
    note: str = Field("", description="Such as: reused.")


class ReportContent(_Plain):
    """Everything a report may show.

    Attributes:
        title: The report's heading.
        summary: One sentence on what the model is.
        notices: What a reader must know before any figure, such as that the pictures are synthetic.
        dataset: Facts about the dataset: name, source, digest, sizes.
        class_counts: Split -> class -> number of images.
        audit: What the audit found.
        data_pictures: Pictures about the data, such as the contact sheet of data_new and the leaked images.
        model: Facts about the model: backbone, weights, parameters.
        history: ``history.csv`` of the training.
        best_epoch: The epoch whose parameters were kept.
        evaluation: Folder that `pipeline_lib.evaluation.evaluate.evaluate_model` has written.
        evaluation_pictures: Further pictures about the evaluation.
        settings: The settings, nested as they are.
        timings: The stages in their order.
        versions: Library -> version.
        commit: Commit of the code, if known.
    """

    title: str
    summary: str = ""
    notices: tuple[str, ...] = ()
    dataset: Facts = {}
    class_counts: dict[str, dict[str, int]] = {}
    audit: Facts = {}
    data_pictures: tuple[Picture, ...] = ()
    model: Facts = {}
    history: Path | None = None
    best_epoch: int | None = None
    evaluation: Path | None = None
    evaluation_pictures: tuple[Picture, ...] = ()
    settings: dict[str, Any] = {}
    timings: tuple[Timing, ...] = ()
    versions: dict[str, str] = {}
    commit: str | None = None
