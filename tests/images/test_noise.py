"""The noise of an image: estimated from the image alone, and removed by as much."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from threadpoolctl import threadpool_limits

from pipeline_lib.data.embedded import sample_pictures
from pipeline_lib.images.denoise import denoised
from pipeline_lib.images.noise import NOISY, estimate_noise, noise_level
from pipeline_lib.images.prepare import fit
from pipeline_lib.models.mobilenetv2 import KERAS
from pipeline_lib.views.augment import JPEG

Planes = NDArray[np.uint8]

SIZE = 224
PICTURES = [np.asarray(fit(picture, SIZE)) for picture in sample_pictures(8)]
pictures = st.sampled_from(PICTURES)


def noisy(picture: Planes, sigma: float, seed: int = 0) -> Planes:
    """The picture (h, w, 3) with white noise, cut off at 0 and 255."""
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def saved(picture: Planes) -> Planes:
    """The picture as an augmented view is saved and read again."""
    file = BytesIO()
    Image.fromarray(picture).save(file, "JPEG", **JPEG)
    return np.asarray(Image.open(file))


def planes(picture: Planes) -> Planes:
    return np.ascontiguousarray(picture.transpose(2, 0, 1))


def psnr(picture: Planes, clean: Planes) -> float:
    """Peak signal-to-noise ratio in dB."""
    return float(10 * np.log10(255**2 / np.mean((picture.astype(float) - clean) ** 2)))


few = settings(deadline=None, max_examples=30)


@few
@given(pictures, st.floats(0, 50), st.integers(0, 99))
def test_noise_is_estimated_within_its_stated_error_after_jpeg(picture: Planes, sigma: float, seed: int) -> None:
    estimate = estimate_noise(planes(saved(noisy(picture, sigma, seed))))
    assert abs(estimate - sigma) <= 4 + 0.15 * sigma


@few
@given(pictures, st.floats(5, 50), st.integers(0, 99))
def test_a_denoised_picture_is_nearer_to_the_clean_one(picture: Planes, sigma: float, seed: int) -> None:
    before = saved(noisy(picture, sigma, seed))
    after = denoised(planes(before), estimate_noise(planes(before)))
    assert psnr(after.transpose(1, 2, 0), picture) > psnr(before, picture) + 2


def test_a_denoised_picture_gains_seven_decibels_at_the_noise_of_the_test_views() -> None:
    gains = []
    for picture in PICTURES:
        before = saved(noisy(picture, 25))
        after = denoised(planes(before), estimate_noise(planes(before))).transpose(1, 2, 0)
        gains.append(psnr(after, picture) - psnr(before, picture))
    assert np.mean(gains) > 7


def test_denoising_has_the_same_bytes_whatever_the_number_of_threads() -> None:
    noise = planes(noisy(PICTURES[0], 25))
    with threadpool_limits(1):
        alone = denoised(noise, 25.0)
    assert denoised(noise, 25.0).tobytes() == alone.tobytes()


def test_what_has_no_noise_is_left_as_it_is_bit_for_bit() -> None:
    aware, plain = KERAS.preprocessing(SIZE, noise_aware=True), KERAS.preprocessing(SIZE)
    smooth = Image.fromarray(PICTURES[0]).resize((SIZE // 4, SIZE // 4)).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    prepared = aware.prepare(smooth)
    assert prepared.noise is not None
    assert prepared.noise < NOISY
    np.testing.assert_array_equal(prepared.array, plain.prepare(smooth).array)
    assert plain.prepare(smooth).noise is None


def test_what_has_noise_is_prepared_without_it() -> None:
    aware, plain = KERAS.preprocessing(SIZE, noise_aware=True), KERAS.preprocessing(SIZE)
    clean, image = (Image.fromarray(each) for each in (PICTURES[0], noisy(PICTURES[0], 25)))
    prepared, target = aware.prepare(image), plain.prepare(clean).array
    assert prepared.noise == pytest.approx(25, abs=6)
    assert np.abs(prepared.array - target).mean() < np.abs(plain.prepare(image).array - target).mean() / 2


@few
@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_every_image_has_an_estimate(colours: int, height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (colours, height, width), dtype=np.uint8)
    assert 0 <= estimate_noise(pixels) <= 51


@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_even_image_has_no_noise(value: int) -> None:
    assert estimate_noise(np.full((3, 32, 32), value, np.uint8)) < NOISY


@few
@given(st.lists(st.floats(0, 51, width=32), min_size=1))
def test_levels_grow_with_the_noise_from_where_it_is_removed(noise: list[float]) -> None:
    levels = noise_level(np.sort(np.array(noise, np.float32)))
    assert (np.diff(levels) >= 0).all()
    assert (levels[np.sort(noise) <= NOISY] == 0).all()
    assert levels.max() < 2


def test_denoising_an_image_of_any_allowed_size_gives_that_size() -> None:
    for side in (32, 64, 96):
        assert denoised(np.full((3, side, side), 200, np.uint8), 10.0).shape == (3, side, side)
