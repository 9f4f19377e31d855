"""A trained LeNet-5, read back."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from pipeline_lib.files.description import Description, Temperature
from pipeline_lib.images.prepare import GreyPreprocessing
from pipeline_lib.mnist.arrays import SIDE
from pipeline_lib.models.lenet5 import Form, LeNet5
from pipeline_lib.models.trained import read_trained

NAME = "network"


class NetworkSpec(Description):
    """All that is needed to rebuild a network around its checkpoint; ``network.json`` beside ``network.ckpt``."""

    form: Form = Field(description="Form of LeNet-5.")
    classes: tuple[str, ...] = Field(min_length=1, description="Names of the classes in the order of the outputs.")
    preprocessing: GreyPreprocessing
    temperature: Temperature
    best_epoch: int = Field(ge=1, description="Epoch after which the parameters were taken.")
    parameters: int = Field(ge=1, description="Values in the checkpoint.")

    @field_validator("preprocessing")
    @classmethod
    def _fits(cls, preprocessing: GreyPreprocessing) -> GreyPreprocessing:
        if preprocessing.size != SIDE:
            raise ValueError(f"LeNet-5 takes images of {SIDE} x {SIDE} pixels, not {preprocessing.size} x {preprocessing.size}")
        return preprocessing


def load_network(folder: Path) -> tuple[LeNet5, NetworkSpec]:
    """Return the network that ``train_network`` wrote into a folder, and what belongs to it.

    Raises:
        PipelineError: A file is missing or damaged, or the parameters don't fit the description.
    """
    return read_trained(folder, NAME, NetworkSpec, lambda spec: LeNet5(len(spec.classes), spec.form))
