"""Grey images enter a network the same way in training and in prediction."""

from __future__ import annotations

import numpy as np
from PIL import Image

from pipeline_lib.images.prepare import GreyPreprocessing, grey


def test_an_image_of_the_right_size_is_scaled_and_nothing_else() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    preprocessing = GreyPreprocessing(size=28)
    array = preprocessing.array(Image.fromarray(pixels).convert("RGB"))
    assert array.shape == (1, 28, 28)
    assert array.dtype == np.float32
    assert np.array_equal(array[0], pixels.astype(np.float32) / np.float32(255))
    assert np.array_equal(preprocessing.scaled(pixels[None])[0], array)


def test_colours_count_by_their_luma_and_the_centre_is_what_is_seen() -> None:
    image = Image.new("RGB", (60, 20), (255, 0, 0))
    image.paste((0, 255, 0), (20, 0, 40, 20))
    assert set(grey(image, 20).ravel().tolist()) == {150}  # 0.587 * 255
