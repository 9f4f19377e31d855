"""What belongs to weights beside their numbers: padding, batch norm's epsilon, and how images are prepared."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline_lib.files.description import Description
from pipeline_lib.images.preprocessing import Means, Preprocessing, Scales

Padding = Literal["tensorflow", "pytorch"]


class Convention(Description):
    """The habits of the framework that weights were trained in; with those of another they give worse features, no error."""

    padding: Padding = Field(description="Padding of convolutions at stride 2: tensorflow (asymmetric) or pytorch.")
    bn_eps: float = Field(gt=0, le=1, description="Added to the variance in batch norm.")
    mean: Means = Field(description="Subtracted from the R, G and B values, 0..255.")
    std: Scales = Field(description="They are then divided by this, 0..255.")

    def preprocessing(self, size: int, *, noise_aware: bool = False) -> Preprocessing:
        """Return the preparation of images for a square input of ``size`` pixels."""
        return Preprocessing(size=size, mean=self.mean, std=self.std, noise_aware=noise_aware)


class BackboneSpec(Description):
    """All that is needed to rebuild a backbone around its checkpoint; ``backbone.json`` beside ``backbone.ckpt``."""

    architecture: str = Field(min_length=1, description="Name of the architecture.")
    source: str = Field(description="Where the weights come from: their name, random, or the kind of a local file.")
    sha256: str | None = Field(description="Digest of the file they come from; None for random.")
    width: float = Field(gt=0, le=2, description="Width multiplier.")
    padding: Padding = Field(description="Padding convention of the weights.")
    bn_eps: float = Field(gt=0, le=1, description="Batch norm's epsilon of the weights.")
    depths: tuple[str, ...] = Field(description="Blocks whose expanded activations are pooled beside the last maps.")
    mirrored: bool = Field(description="Whether features are the mean over an image and its mirror image.")
    parameters: int = Field(ge=1, description="Values in the checkpoint, batch norm's moving statistics included.")
    preprocessing: Preprocessing

    @property
    def image_size(self) -> int:
        """Side of the square input in pixels."""
        return self.preprocessing.size

    @property
    def convention(self) -> Convention:
        """What to hand on with the weights when they start another backbone."""
        return Convention(padding=self.padding, bn_eps=self.bn_eps, mean=self.preprocessing.mean, std=self.preprocessing.std)
