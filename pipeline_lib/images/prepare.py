"""The square of an image that networks see, and how a grey one becomes a network's input."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydantic import Field

from pipeline_lib.files.description import Description, Scale, Side


def fit(image: Image.Image, size: int) -> Image.Image:
    """Return the central square of an image at ``size`` x ``size`` pixels; the image as it is when it has that size.

    The same as scaling the shorter side to ``size`` and cropping the centre, but only the square is ever resampled: a strip
    of 1 x 60,000 pixels costs no more than any other image. Bilinear, with antialiasing where it shrinks.
    """
    return ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)


def grey(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Return the central square of an image in grey (ITU-R BT.601 luma), uint8 (size, size)."""
    return np.asarray(fit(image.convert("L"), size))


class GreyPreprocessing(Description):
    """How an image becomes the input of a network for grey images. Written as JSON beside the weights it belongs to."""

    size: Side
    resampling: Literal["bilinear"] = Field(default="bilinear", description="Filter of the resize, antialiased.")
    crop: Literal["centre"] = Field(default="centre", description="The largest centred square is what the network sees.")
    channels: Literal["L"] = Field(default="L", description="Grey, ITU-R BT.601 luma.")
    scale: Scale = Field(default=255.0, description="Pixel values 0..255 are divided by this.")

    def array(self, image: Image.Image) -> NDArray[np.float32]:
        """Return an image as a network's input: float32, (1, size, size)."""
        array: NDArray[np.float32] = self.scaled(grey(image, self.size)[None])[0]
        return array

    def scaled(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return grey images (n, size, size) as inputs of a network: a fresh float32 array (n, 1, size, size)."""
        return np.divide(pixels[:, None], np.float32(self.scale), dtype=np.float32)
