import io

import numpy as np
from PIL import Image

from pipeline_lib.reporting.pictures import drawn, photograph


def test_a_small_jpeg_is_kept_as_it_is(tmp_path):
    Image.new("RGB", (30, 20), "navy").save(tmp_path / "a.jpg")
    picture = photograph("name", tmp_path / "a.jpg", "alt")
    assert picture.data == (tmp_path / "a.jpg").read_bytes()
    assert (picture.name, picture.width, picture.height) == ("name.jpg", 30, 20)


def test_a_large_noisy_picture_is_made_small_enough(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (1200, 2000, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    picture = photograph("name", tmp_path / "a.png", "alt")
    assert len(picture.data) <= 350_000
    assert abs(picture.width / picture.height - 2000 / 1200) < 0.01
    assert picture.uri.startswith("data:image/jpeg;base64,")


def test_nothing_drawn_is_no_picture():
    assert drawn("name", None, "alt") == []
    file = io.BytesIO()
    Image.new("RGB", (8, 4)).save(file, "PNG")
    assert [(image.name, image.width, image.height) for image in drawn("name", file.getvalue(), "alt")] == [("name.png", 8, 4)]
