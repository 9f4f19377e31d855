import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from pipeline_lib.images.prepare import fit
from pipeline_lib.images.preprocessing import Preprocessing
from pipeline_lib.models.efficientnet_lite import CONVENTION as LITE
from pipeline_lib.models.mobilenetv2 import KERAS, MINDCV


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 96))
def test_every_image_becomes_a_square_of_the_asked_size(width: int, height: int, size: int):
    assert fit(photo(width, height), size).size == (size, size)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 128))
def test_an_image_of_the_right_size_is_left_alone(size: int):
    image = photo(size, size)
    assert fit(image, size).tobytes() == image.tobytes()


@pytest.mark.parametrize("upright", [False, True])
def test_the_centre_is_kept_and_the_ends_are_cropped(upright: bool):
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 255
    image = Image.fromarray(pixels.transpose(1, 0, 2) if upright else pixels)
    assert (np.asarray(fit(image, 20)) == 255).all()


def test_shrinking_averages_instead_of_picking_pixels():
    checkerboard = np.indices((64, 64)).sum(axis=0) % 2 * 255
    small = np.asarray(fit(Image.fromarray(checkerboard.astype(np.uint8)).convert("RGB"), 8))
    assert np.abs(small.astype(int) - 127).max() <= 8


def test_a_strip_costs_no_more_than_its_square():
    assert fit(Image.new("RGB", (1, 60_000)), 224).size == (224, 224)


def test_keras_input_runs_from_minus_one_to_one():
    image = Image.fromarray(np.array([[[0, 255, 51]]], np.uint8))
    array = KERAS.preprocessing(1).prepare(image).array
    np.testing.assert_allclose(array.ravel(), [-1, 1, -0.6], rtol=1e-6)


def test_input_of_the_lite_networks_is_centred_on_127():
    image = Image.fromarray(np.array([[[127, 255, 63]]], np.uint8))
    np.testing.assert_array_equal(LITE.preprocessing(1).prepare(image).array.ravel(), [0, 1, -0.5])


def test_mindcv_input_is_standardised_by_imagenet():
    image = photo(8, 8)
    expected = (np.asarray(image) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    array = MINDCV.preprocessing(8).prepare(image).array
    np.testing.assert_allclose(array, expected.transpose(2, 0, 1), rtol=1e-5, atol=1e-6)


def test_array_is_what_a_network_takes():
    array = KERAS.preprocessing(32).prepare(photo(50, 40)).array
    assert array.dtype == np.float32
    assert array.shape == (3, 32, 32)
    assert array.flags.c_contiguous


def test_bgr_turns_the_channels_round_before_scaling():
    values = {"size": 4, "mean": (1.0, 2.0, 3.0), "std": (10.0, 20.0, 30.0)}
    bgr = Preprocessing(**values, channels="BGR").prepare(photo(4, 4)).array
    swapped = Image.fromarray(np.asarray(photo(4, 4))[:, :, ::-1].copy())
    np.testing.assert_array_equal(bgr, Preprocessing(**values).prepare(swapped).array)


@pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "P"])
def test_an_image_that_is_not_rgb_is_a_defect_of_the_caller(mode: str):
    with pytest.raises(ValueError, match=mode):
        KERAS.preprocessing(8).prepare(Image.new(mode, (8, 8)))


@settings(deadline=None)
@given(st.integers(1, 512), st.tuples(*[st.floats(-300, 300)] * 3), st.tuples(*[st.floats(0.1, 300)] * 3))
def test_specification_survives_json(size: int, mean: tuple, std: tuple):
    specification = Preprocessing(size=size, mean=mean, std=std)
    assert Preprocessing.model_validate_json(specification.model_dump_json()) == specification


@pytest.mark.parametrize(("field", "value"), [("resampling", "bicubic"), ("crop", "whole"), ("gamma", 2.2)])
def test_a_specification_this_version_does_not_know_is_refused(field: str, value: object):
    with pytest.raises(ValidationError, match=field):
        Preprocessing(size=8, mean=(0, 0, 0), std=(1, 1, 1), **{field: value})
