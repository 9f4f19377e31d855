"""The trained classifier on cached features, read back."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from pipeline_lib.files.description import Description, Temperature
from pipeline_lib.models.classifier import Classifier
from pipeline_lib.models.trained import read_trained

NAME = "head"


class HeadSpec(Description):
    """All that is needed to rebuild a head around its checkpoint; ``head.json`` beside ``head.ckpt``."""

    classes: tuple[str, ...] = Field(min_length=1, description="Names of the classes in the order of the outputs.")
    in_features: int = Field(ge=1, le=100_000, description="Length of a pooled feature vector.")
    hidden: int = Field(ge=0, le=4096, description="Units of the hidden layer; 0 = a single dense layer.")
    temperature: Temperature
    best_epoch: int = Field(ge=1, description="Epoch after which the parameters were taken.")
    parameters: int = Field(ge=1, description="Values in the checkpoint.")


def load_head(folder: Path) -> tuple[Classifier, HeadSpec]:
    """Return the classifier that ``train_head`` wrote into a folder, and what belongs to it.

    Raises:
        PipelineError: A file is missing or damaged, or the parameters don't fit the description.
    """
    return read_trained(folder, NAME, HeadSpec, lambda spec: Classifier(spec.in_features, len(spec.classes), spec.hidden))
