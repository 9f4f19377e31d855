"""What the server answers with, as schemas: the description of its interfaces is made of these, and tests hold it to them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Classified(_Answer):
    """A photograph that was classified."""

    image: str = Field(description="What its sender calls it.")
    class_: str = Field(alias="class", description="The likeliest class.")
    probability: float = Field(ge=0, le=1, description="That of the class, calibrated.")
    bin: str | None = Field(description="The bin that the class belongs in; null for a class without one.")
    noise: float | None = Field(description="Standard deviation of the noise that was removed, of 255; null if not estimated.")
    top: list[tuple[str, float]] = Field(description="The likeliest classes with their probabilities, the likeliest first.")
    sure: bool = Field(description="Whether the probability is at least the one that the server was started with.")


class Unreadable(_Answer):
    """A photograph that cannot be read."""

    image: str = Field(description="What its sender calls it.")
    error: str = Field(description="Why, in a few words.")


class Predicted(_Answer):
    """The answer to photographs."""

    model: str = Field(description="Digest of the model that has answered.")
    photographs: list[Classified | Unreadable] = Field(description="In the order in which they were sent.")


class Refused(_Answer):
    """A request that is not answered."""

    error: str = Field(description="Why, in one sentence.")


class Ready(_Answer):
    """The model that would answer now."""

    model: str = Field(description="Its digest.")
    classes: list[str] = Field(description="Its classes, in the order of its outputs.")


class PageTexts(_Answer):
    """What the page needs to know."""

    classes: dict[str, str] = Field(description="Chinese name of a class by its English one in lower case.")
    bins: dict[str, str] = Field(description="Chinese name of a bin by its English one.")
    keeps: bool = Field(description="Whether photographs whose answer is not sure are kept.")


class TensorMetadata(_Answer):
    """An input or output of a model."""

    name: str
    datatype: str
    shape: list[int] = Field(description="-1 is any number.")


class ModelMetadata(_Answer):
    """A model, as the Open Inference Protocol describes it."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    name: str
    versions: list[str] = Field(description="The digest of the model.")
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    parameters: dict[str, Any]


class ModelReady(_Answer):
    """Whether a model would answer."""

    name: str
    ready: Literal[True]


class OutputTensor(_Answer):
    """An output: its values in row-major order."""

    name: str
    datatype: Literal["FP64", "BYTES"]
    shape: list[int]
    data: list[float] | list[str]


class Inferred(_Answer):
    """The answer of the Open Inference Protocol."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model_name: str
    model_version: str = Field(description="The digest of the model.")
    id: str | None = Field(default=None, description="That of the request, if it had one.")
    outputs: list[OutputTensor]
