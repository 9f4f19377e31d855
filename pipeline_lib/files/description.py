"""The content of the JSON files beside weights, read back strictly, so that a damaged file is refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Description(BaseModel):
    """Base of all descriptions: immutable, without unknown fields, only finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# Calibration finds 0.05 to 20 (`evaluation.calibration.LOG_BOUND`); far outside that range softmax overflows or is flat.
Temperature = Annotated[float, Field(ge=0.01, le=100, description="What logits are divided by before softmax.")]

Side = Annotated[int, Field(ge=1, le=4096, description="Side of the square input in pixels.")]

Mean = Annotated[float, Field(ge=-1000, le=1000)]
Scale = Annotated[float, Field(ge=0.001, le=1000)]
"""What pixel values of 0..255 are divided by; anything smaller gives inputs beyond float32's precision."""


def first_fault(error: ValidationError) -> str:
    """Return the first thing that is wrong with a description: the field and the reason."""
    fault = error.errors()[0]
    name = ".".join(map(str, fault["loc"]))
    message = fault["msg"].removeprefix("Value error, ")
    return f"{name}: {message}" if name else message
