"""From an image to the array a backbone takes: one function for training, evaluation and prediction.

What a network was trained to see belongs to its weights, so the specification is stored with the model.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from pipeline_lib.files.description import Description, Mean, Scale, Side
from pipeline_lib.images.denoise import denoised
from pipeline_lib.images.noise import NOISY, estimate_noise
from pipeline_lib.images.prepare import fit

Means = tuple[Mean, Mean, Mean]
Scales = tuple[Scale, Scale, Scale]


class Prepared(NamedTuple):
    """An image as a network takes it.

    Attributes:
        array: float32, (3, size, size), contiguous.
        noise: Standard deviation of the noise that the image has had, of 255; None where it was not estimated.
    """

    array: NDArray[np.float32]
    noise: float | None


class Preprocessing(Description):
    """How an image becomes a network's input. Written as JSON beside the weights it belongs to.

    ``resampling`` and ``crop`` have one value each. They are written all the same, so that a model made by a version that
    knows others is refused here and not misread.
    """

    size: Side
    resampling: Literal["bilinear"] = Field(default="bilinear", description="Filter of the resize, antialiased.")
    crop: Literal["centre"] = Field(default="centre", description="The largest centred square is what the network sees.")
    noise_aware: bool = Field(
        default=False, description="Noise is estimated after the resize and removed; the head is given the estimate."
    )
    channels: Literal["RGB", "BGR"] = Field(default="RGB", description="Order of the channels.")
    mean: Means = Field(description="Subtracted from each channel, in the input's order, in pixel values 0..255.")
    std: Scales = Field(description="Each channel is then divided by this, in the input's order, in pixel values 0..255.")

    def prepare(self, image: Image.Image, out: NDArray[np.float32] | None = None) -> Prepared:
        """Return an RGB image as a network's input, in ``out`` if that is given.

        Raises:
            ValueError: The image is not RGB; ``pipeline_lib.images.read.read_image`` gives RGB for every file.
        """
        if image.mode != "RGB":
            raise ValueError(f"an RGB image is needed, not one of mode {image.mode}")
        pixels = np.asarray(fit(image, self.size)).transpose(2, 0, 1)
        noise = None
        if self.noise_aware:
            pixels, noise = _cleaned(pixels)
        if self.channels == "BGR":
            pixels = pixels[::-1]
        mean, std = (np.array(values, np.float32).reshape(3, 1, 1) for values in (self.mean, self.std))
        # Written in place into a (3, size, size) block: a plain (pixels - mean) / std keeps the image's memory order and is
        # copied once more, which takes 15 times as long.
        array = np.subtract(pixels, mean, out=np.empty(pixels.shape, np.float32) if out is None else out)
        return Prepared(np.divide(array, std, out=array), noise)


def _cleaned(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """Return an image (3, size, size) without the noise that it is estimated to have, and the estimate."""
    planes = np.ascontiguousarray(pixels)
    noise = estimate_noise(planes)
    return denoised(planes, noise) if noise >= NOISY else planes, noise
