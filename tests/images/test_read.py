"""Every kind of image becomes upright 8-bit RGB; everything else becomes a reason in plain words."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, PngImagePlugin

from pipeline_lib.images.read import ImageProblem, decode_image, read_image

RED, GREEN, BLUE, YELLOW, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 255, 255)


def quarters(mode: str = "RGB") -> Image.Image:
    """Four colours, so that every turn and flip shows: red and blue above, green and yellow below; 48 x 32."""
    image = Image.new("RGB", (48, 32), RED)
    for box, colour in (((24, 0, 48, 16), BLUE), ((0, 16, 24, 32), GREEN), ((24, 16, 48, 32), YELLOW)):
        image.paste(colour, box)
    return image.convert(mode)


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """The colours near the corners: top left, top right, bottom left, bottom right."""
    right, bottom = image.width - 3, image.height - 3
    pixels = np.asarray(image).astype(int)
    return [tuple(pixels[y, x]) for x, y in ((2, 2), (right, 2), (2, bottom), (right, bottom))]


def assert_quarters(image: Image.Image, tolerance: int = 6) -> None:
    assert image.mode == "RGB"
    assert np.abs(np.array(corners(image)) - np.array([RED, BLUE, GREEN, YELLOW])).max() <= tolerance


def png(size: tuple[int, int], depth: int, colour_type: int, rows: list[bytes], *more: tuple[bytes, bytes]) -> bytes:
    """A PNG of any depth and colour type, which Pillow itself does not write."""
    header = struct.pack(">IIBBBBB", *size, depth, colour_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [(b"IHDR", header), *more, (b"IDAT", data), (b"IEND", b"")]
    packed = (struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def problem(path: Path, content: bytes, **options: float) -> str:
    path.write_bytes(content)
    with pytest.raises(ImageProblem) as caught:
        read_image(path, **options)
    return str(caught.value)


def encoded(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    stream = io.BytesIO()
    (image or quarters()).save(stream, kind, **options)
    return stream.getvalue()


def setup_module() -> None:
    pillow_heif.register_heif_opener()  # so that tests can write HEIC; what the product itself needs, its own test asks


@pytest.mark.parametrize("kind", ["JPEG", "HEIF", "PNG", "WEBP", "BMP", "TIFF", "JPEG2000", "PPM", "GIF", "AVIF"])
def test_reads_the_formats_of_photographs_whatever_the_file_is_called(tmp_path: Path, kind: str) -> None:
    (tmp_path / "picture.dat").write_bytes(encoded(kind, quality=95))
    image, facts = decode_image(tmp_path / "picture.dat")
    assert_quarters(image)
    assert (facts.width, facts.height, facts.format) == (48, 32, kind)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("CMYK", "JPEG"), ("CMYK", "TIFF"), ("LAB", "TIFF"), ("P", "PNG"), ("P", "GIF"), ("RGBA", "PNG")],
)
def test_every_colour_mode_keeps_its_colours(tmp_path: Path, mode: str, kind: str) -> None:
    (tmp_path / "picture").write_bytes(encoded(kind, quarters(mode)))
    image, facts = decode_image(tmp_path / "picture")
    assert facts.mode == mode
    assert_quarters(image, tolerance=25)


def test_a_file_in_luminance_and_chroma_keeps_its_colours(tmp_path: Path) -> None:
    (tmp_path / "scan.tif").write_bytes(encoded("TIFF", quarters("YCbCr"), compression="jpeg"))
    assert_quarters(read_image(tmp_path / "scan.tif"))


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey_becomes_three_equal_channels(tmp_path: Path, mode: str) -> None:
    grey = Image.linear_gradient("L").convert(mode)
    (tmp_path / "picture").write_bytes(encoded("PNG", grey))
    pixels = np.asarray(read_image(tmp_path / "picture"))
    assert (pixels == np.asarray(grey.convert("L"))[:, :, None]).all()


def transparent_pictures() -> dict[str, bytes]:
    """Files whose left half is transparent black and whose right half is opaque blue, in all ways that a file can say so."""
    flat = Image.new("P", (48, 32), 0)
    flat.paste(1, (24, 0, 48, 32))
    flat.putpalette([0, 0, 0, *BLUE])
    rgba = flat.convert("RGBA")
    rgba.putalpha(flat.point([0] + [255] * 255, "L"))
    return {
        "alpha channel": encoded("PNG", rgba),
        "alpha channel, WebP": encoded("WEBP", rgba, lossless=True),
        "palette with alpha": encoded("PNG", flat, transparency=b"\x00\xff"),
        "palette index": encoded("GIF", flat, transparency=0),
        "one colour": encoded("PNG", flat.convert("RGB"), transparency=(0, 0, 0)),
    }


@pytest.mark.parametrize("kind", transparent_pictures())
def test_transparency_is_laid_on_white(tmp_path: Path, kind: str) -> None:
    (tmp_path / "picture").write_bytes(transparent_pictures()[kind])
    assert corners(read_image(tmp_path / "picture")) == [WHITE, BLUE, WHITE, BLUE]


def test_half_transparent_is_half_white(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (0, 0, 0, 128)).save(tmp_path / "veil.png")
    assert set(corners(read_image(tmp_path / "veil.png"))) == {(127, 127, 127)}


RAMP = np.linspace(0, 65535, 32 * 48).reshape(32, 48)
EIGHT_BIT = np.rint(RAMP / 257)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("16 bits.png", RAMP.astype(np.uint16)),
        ("16 bits.tif", RAMP.astype(np.uint16)),
        ("16 bits.pgm", RAMP.astype(np.uint16)),
        ("32 bits.tif", RAMP.astype(np.int32)),
        ("32 bits, beyond 16.tif", (RAMP * 1000 - 5e6).astype(np.int32)),
        ("float 0 to 1.tif", (RAMP / 65535).astype(np.float32)),
        ("float 0 to 255.tif", (RAMP / 257).astype(np.float32)),
        ("float 0 to 65535.tif", RAMP.astype(np.float32)),
        ("float, below zero.tif", (RAMP / 1000 - 30).astype(np.float32)),
    ],
)
def test_deep_grey_is_scaled_not_clipped(tmp_path: Path, name: str, values: np.ndarray) -> None:
    Image.fromarray(values).save(tmp_path / name)
    pixels = np.asarray(read_image(tmp_path / name)).astype(float)
    assert np.abs(pixels - EIGHT_BIT[:, :, None]).max() <= 1


def test_deep_colour_is_scaled_not_clipped(tmp_path: Path) -> None:
    (tmp_path / "rgb.png").write_bytes(png((1, 1), 16, 2, [struct.pack(">3H", 65535, 0x8000, 0x0100)]))
    (tmp_path / "grey.png").write_bytes(png((1, 1), 16, 4, [struct.pack(">2H", 0x8000, 65535)]))
    assert np.asarray(read_image(tmp_path / "rgb.png")).tolist() == [[[255, 128, 1]]]
    assert np.asarray(read_image(tmp_path / "grey.png")).tolist() == [[[128, 128, 128]]]


def test_a_transparent_value_of_deep_grey_becomes_white(tmp_path: Path) -> None:
    content = png((2, 1), 16, 0, [struct.pack(">2H", 0x1234, 0x8000)], (b"tRNS", struct.pack(">H", 0x1234)))
    (tmp_path / "grey.png").write_bytes(content)
    assert np.asarray(read_image(tmp_path / "grey.png"))[0, :, 0].tolist() == [255, 128]


def test_an_even_float_image_is_an_image(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), -7, np.float32)).save(tmp_path / "even.tif")
    assert np.asarray(read_image(tmp_path / "even.tif")).max() == 0


def test_values_that_are_no_numbers_are_a_problem(tmp_path: Path) -> None:
    values = np.array([[0.0, np.nan]], np.float32)
    assert problem(tmp_path / "nan.tif", encoded("TIFF", Image.fromarray(values))) == "pixels that are not finite numbers"


UPRIGHT = [RED, BLUE, GREEN, YELLOW]
# EXIF orientation -> which corner of the upright picture is stored at top left, top right, bottom left, bottom right.
STORED = {1: "0123", 2: "1032", 3: "3210", 4: "2301", 5: "0213", 6: "1302", 7: "3120", 8: "2031"}


@pytest.mark.parametrize("kind", ["JPEG", "HEIF", "AVIF", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_turned_photograph_comes_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    turned = orientation >= 5
    stored = Image.new("RGB", (32, 48) if turned else (48, 32))
    half = (stored.width // 2, stored.height // 2)
    for place, corner in enumerate(STORED[orientation]):
        left, top = half[0] * (place % 2), half[1] * (place // 2)
        stored.paste(UPRIGHT[int(corner)], (left, top, left + half[0], top + half[1]))
    exif = Image.Exif()
    exif[0x112] = orientation
    (tmp_path / "photo").write_bytes(encoded(kind, stored, exif=exif.tobytes()))
    image, facts = decode_image(tmp_path / "photo")
    assert image.size == (facts.width, facts.height) == (48, 32)
    assert_quarters(image)


@pytest.mark.parametrize("exif", [b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\x00\x05\x01\x12\x00\x03", b"nonsense"])
def test_damaged_exif_costs_no_image(tmp_path: Path, exif: bytes) -> None:
    (tmp_path / "photo.jpg").write_bytes(encoded("JPEG", exif=b"Exif\0\0" + exif))
    assert_quarters(read_image(tmp_path / "photo.jpg"))


def test_damaged_exif_in_a_text_field_costs_no_image(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type exif", "\nexif\n8\nno hex digits")
    (tmp_path / "photo.png").write_bytes(encoded("PNG", pnginfo=text))
    assert_quarters(read_image(tmp_path / "photo.png"))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "MPO"])
def test_of_moving_pictures_the_first_counts(tmp_path: Path, kind: str) -> None:
    later = [Image.new("RGB", (48, 32), BLUE), Image.new("RGB", (48, 32), GREEN)]
    (tmp_path / "moving").write_bytes(encoded(kind, save_all=True, append_images=later))
    assert_quarters(read_image(tmp_path / "moving"))


def test_of_several_pictures_in_a_heic_file_the_primary_one_counts(tmp_path: Path) -> None:
    others = [Image.new("RGB", (48, 32), BLUE), quarters(), Image.new("RGB", (64, 64), GREEN)]
    others[0].save(tmp_path / "burst.heic", "HEIF", save_all=True, append_images=others[1:], primary_index=1, quality=95)
    image, facts = decode_image(tmp_path / "burst.heic")
    assert_quarters(image)
    assert (facts.width, facts.height) == (48, 32)


def test_a_heic_picture_is_turned_once_even_if_its_exif_says_so_again(tmp_path: Path) -> None:
    """Phones state the turn twice: as a property of the image, which counts, and for information in EXIF."""
    exif = Image.Exif()
    exif[0x112] = 6
    content = encoded("HEIF", quarters().transpose(Image.Transpose.ROTATE_90), exif=exif.tobytes())
    (tmp_path / "phone.heic").write_bytes(content)
    assert_quarters(read_image(tmp_path / "phone.heic"))
    without_property = encoded("HEIF", exif=exif)  # pillow-heif writes the property for EXIF given as bytes alone
    assert b"irot" in content
    assert b"irot" not in without_property
    (tmp_path / "edited.heic").write_bytes(without_property)
    assert_quarters(read_image(tmp_path / "edited.heic"))


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_the_pixels_of_a_phones_picture_are_counted_before_they_are_decoded(tmp_path: Path, kind: str) -> None:
    content = encoded(kind, Image.new("RGB", (1000, 900)))
    cut = content[: content.index(b"mdat") + 8]  # the picture's data is missing: were it decoded, the reason would be another
    assert problem(tmp_path / "a.heic", cut + bytes(len(content) - len(cut)), max_megapixels=0.8) == "0.9 megapixels, limit 0.8"


def test_heic_is_read_by_a_process_that_has_read_nothing_before(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(encoded("HEIF"))
    code = "import pathlib, sys, pipeline_lib.images.read as image; print(image.read_image(pathlib.Path(sys.argv[1])).size)"
    finished = subprocess.run([sys.executable, "-c", code, tmp_path / "a.heic"], capture_output=True, text=True, check=True)
    assert finished.stdout == "(48, 32)\n"


def test_an_empty_file_is_reported(tmp_path: Path) -> None:
    assert problem(tmp_path / "a.jpg", b"") == "zero bytes"


@pytest.mark.parametrize("content", [b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"\0" * 100])
def test_something_else_is_reported(tmp_path: Path, content: bytes) -> None:
    assert problem(tmp_path / "a.jpg", content) == "not an image"


def test_formats_that_run_programs_or_nest_files_stay_shut(tmp_path: Path) -> None:
    for kind in ("EPS", "ICO", "PDF"):
        assert problem(tmp_path / "a", encoded(kind)) == "not an image"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "PPM"])
def test_a_truncated_file_is_reported(tmp_path: Path, kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8))
    whole = encoded(kind, noise)
    assert problem(tmp_path / "a", whole[: len(whole) * 2 // 3]) == "truncated"


@pytest.mark.parametrize("kind", ["WEBP", "JPEG2000", "HEIF", "AVIF"])
def test_a_truncated_file_of_a_newer_format_is_reported(tmp_path: Path, kind: str) -> None:
    whole = encoded(kind)
    assert problem(tmp_path / "a", whole[: len(whole) - 20]).startswith(("damaged or cut short", "truncated"))


@pytest.mark.parametrize("content", [b"P6\n0 5\n255\n", b"GIF89a" + bytes(7), png((0, 5), 8, 2, [])])
def test_a_picture_without_pixels_is_none(tmp_path: Path, content: bytes) -> None:
    assert problem(tmp_path / "a", content) == "not an image"


def test_a_bomb_is_judged_by_its_header_alone(tmp_path: Path) -> None:
    """The data of these pictures is missing: were they decoded, the reason would be another one."""
    assert problem(tmp_path / "a.png", png((10_960, 10_980), 8, 2, []), max_megapixels=100) == "120.3 megapixels, limit 100"
    assert problem(tmp_path / "a.png", png((40_000, 40_000), 8, 2, []), max_megapixels=100) == (
        "more than 179.0 megapixels, limit 100"
    )
    assert problem(tmp_path / "a.png", png((40_000, 40_000), 8, 2, []), max_megapixels=9000) == (
        "more than 179.0 megapixels, limit 178.957"
    )
    assert problem(tmp_path / "a.png", png((9_990, 10_000), 8, 2, []), max_megapixels=100) == "truncated"
    assert problem(tmp_path / "a.png", encoded("PNG"), max_megapixels=0.001) == "0.0 megapixels, limit 0.001"


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "missing.jpg", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ImageProblem, match=f"cannot be read: {reason}"):
            read_image(path)


def test_metadata_of_the_stored_pixels_does_not_travel_on(tmp_path: Path) -> None:
    for more in ({}, {"transparency": 0}):
        (tmp_path / "a.png").write_bytes(encoded("PNG", quarters("P"), icc_profile=b"profile", **more))
        assert read_image(tmp_path / "a.png").info == {}


def test_leaves_no_global_state_changed_even_from_many_threads(tmp_path: Path) -> None:
    """An animation of no frames makes Pillow warn, and here a warning is an error: it is silenced, but only while reading."""
    no_frames = (b"acTL", struct.pack(">II", 0, 0))
    (tmp_path / "odd.png").write_bytes(png((1, 1), 8, 2, [bytes(RED)], no_frames))
    before = (list(warnings.filters), ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS)
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(read_image, [tmp_path / "odd.png"] * 500))
    assert {image.getpixel((0, 0)) for image in images} == {RED}
    assert (list(warnings.filters), ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS) == before
    with pytest.warns(UserWarning, match="Invalid APNG"), Image.open(tmp_path / "odd.png"):
        pass


FORMATS = ["JPEG", "HEIF", "AVIF", "PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG2000", "PPM"]


@given(kind=st.sampled_from(FORMATS), data=st.data())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_bytes_give_an_image_or_a_reason(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    content = bytearray(encoded(kind))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "a").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        assert read_image(tmp_path / "a", max_megapixels=1).mode == "RGB"
    except ImageProblem as problem:
        assert str(problem)
        assert str(tmp_path) not in str(problem)
