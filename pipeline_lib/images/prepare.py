"""From an image to the array a backbone takes: one function for training, evaluation and prediction.

What a network was trained to see belongs to its weights, so the specification is stored with the model.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydantic import Field

from pipeline_lib.files.description import Description, Mean, Scale, Side

Means = tuple[Mean, Mean, Mean]
Scales = tuple[Scale, Scale, Scale]


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


class Preprocessing(Description):
    """How an image becomes a network's input. Written as JSON beside the weights it belongs to.

    ``resampling`` and ``crop`` have one value each. They are written all the same, so that a model made by a version that
    knows others is refused here and not misread.
    """

    size: Side
    resampling: Literal["bilinear"] = Field(default="bilinear", description="Filter of the resize, antialiased.")
    crop: Literal["centre"] = Field(default="centre", description="The largest centred square is what the network sees.")
    channels: Literal["RGB", "BGR"] = Field(default="RGB", description="Order of the channels.")
    mean: Means = Field(description="Subtracted from each channel, in the input's order, in pixel values 0..255.")
    std: Scales = Field(description="Each channel is then divided by this, in the input's order, in pixel values 0..255.")

    def array(self, image: Image.Image, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Return an RGB image as a network's input: float32, (3, size, size), contiguous; in ``out`` if that is given.

        Raises:
            ValueError: The image is not RGB; ``pipeline_lib.images.read.read_image`` gives RGB for every file.
        """
        if image.mode != "RGB":
            raise ValueError(f"an RGB image is needed, not one of mode {image.mode}")
        pixels = np.asarray(fit(image, self.size)).transpose(2, 0, 1)
        if self.channels == "BGR":
            pixels = pixels[::-1]
        mean, std = (np.array(values, np.float32).reshape(3, 1, 1) for values in (self.mean, self.std))
        # Written in place into a (3, size, size) block: a plain (pixels - mean) / std keeps the image's memory order and is
        # copied once more, which takes 15 times as long.
        array = np.subtract(pixels, mean, out=np.empty(pixels.shape, np.float32) if out is None else out)
        return np.divide(array, std, out=array)
