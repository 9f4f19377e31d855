"""Reading one image file, whatever its mode: the only place where image bytes become pixels."""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import IO, Literal, Protocol

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

FORMATS = ("JPEG", "HEIF", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM")
"""Raster formats that photographs come in (HEIC is a kind of HEIF). Pillow's others stay shut: some start programs (EPS) or
nest files (ICO)."""

MAX_MEGAPIXELS = 178.0
"""Largest picture that is decoded, unless it is said otherwise; Pillow's own ceiling is 178.9."""

# EXIF orientation (tag 274) -> what turns the stored picture upright.
_TURN_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageProblem(Exception):  # noqa: N818  (one broken image is a finding, not an error of the run)
    """Why a file cannot be used as an image, in a few plain words ("truncated", "zero bytes", "not an image")."""


@dataclass(frozen=True)
class ImageFacts:
    """What a file says about its picture.

    Attributes:
        width: Pixels from left to right once the picture is upright.
        height: Pixels from top to bottom once the picture is upright.
        mode: Pillow's mode of the stored pixels, such as RGB, P, CMYK or I;16.
        format: One of `FORMATS`, or MPO for a JPEG that holds several pictures.
    """

    width: int
    height: int
    mode: str
    format: str


class ImageFile(Protocol):
    """A file on disk (``Path``) or in a zip archive (``zipfile.Path``)."""

    def open(self, mode: Literal["rb"]) -> IO[bytes]:
        """Return a seekable stream of the file's bytes."""
        ...


def read_image(path: ImageFile, max_megapixels: float = MAX_MEGAPIXELS) -> Image.Image:
    """Return a file's first frame, of a HEIF file its primary image, as an upright 8-bit RGB image.

    Transparency is laid on white; grey, palette, CMYK, YCbCr and LAB become RGB; 16-bit and floating-point grey is
    scaled to 8 bits, never clipped. Colour profiles are not applied, as is usual for training on photographs.
    May be called from several threads at once.

    Args:
        path: The image file.
        max_megapixels: Largest picture that is decoded, judged by its header alone. Pillow's own ceiling of 178.9
            megapixels stays in force above it.

    Raises:
        ImageProblem: The file cannot be read, is no image, is damaged or is too large.
    """
    return decode_image(path, max_megapixels)[0]


def decode_image(path: ImageFile, max_megapixels: float = MAX_MEGAPIXELS) -> tuple[Image.Image, ImageFacts]:
    """Return what `read_image` returns, together with what the file says about its picture."""
    stored = _load(path, max_megapixels)
    upright = _upright(stored)
    facts = ImageFacts(upright.width, upright.height, stored.mode, stored.format or "")
    return _rgb(upright), facts


@cache
def _learn_heif() -> None:
    """Teach Pillow to open HEIF, once a process."""
    from pillow_heif import register_heif_opener  # takes a while to import, and whoever reads no images does without

    register_heif_opener()


def _load(path: ImageFile, max_megapixels: float) -> Image.Image:
    """Return the stored first frame, decoded, its file closed again."""
    _learn_heif()
    try:
        with _PILLOW_WARNINGS_OFF, path.open("rb") as stream:
            if not stream.read(1):
                raise ImageProblem("zero bytes")
            stream.seek(0)
            with Image.open(stream, formats=FORMATS) as image:
                _check_size(image, max_megapixels)
                image.load()
                return image
    except ImageProblem:
        raise
    # Pillow's parsers let through whatever damaged bytes make them stumble over: OSError, SyntaxError, ValueError,
    # struct.error, zlib.error, KeyError ... All of them say the same thing about the file.
    except Exception as error:
        raise ImageProblem(_reason(error, max_megapixels)) from error


def _check_size(image: Image.Image, max_megapixels: float) -> None:
    megapixels = image.width * image.height / 1e6
    if megapixels > max_megapixels:
        raise ImageProblem(f"{megapixels:.1f} megapixels, limit {max_megapixels:g}")


def _reason(error: Exception, max_megapixels: float) -> str:
    """Say in plain words what an exception of Pillow or of the file system means."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, Image.DecompressionBombError):
        ceiling = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        return f"more than {ceiling:.1f} megapixels, limit {min(max_megapixels, ceiling):g}"
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read: {error.strerror}"
    if isinstance(error, EOFError) or "truncated" in str(error).casefold():
        return "truncated"
    return f"damaged or cut short ({str(error) or type(error).__name__})"


def _upright(image: Image.Image) -> Image.Image:
    if image.format == "HEIF":
        return image  # the decoder has turned it by the properties of the file, beside which EXIF does not count
    try:
        with _PILLOW_WARNINGS_OFF:
            orientation = image.getexif().get(ExifTags.Base.Orientation)
    # A damaged EXIF block says nothing about the pixels, which are whole: the picture stays as it is stored, which is
    # how every viewer shows it.
    except Exception:
        return image
    return image.transpose(_TURN_UPRIGHT[orientation]) if orientation in _TURN_UPRIGHT else image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _eight_bit(image)
    elif image.has_transparency_data:
        image = _on_white(image)
    # Keys such as `transparency` or `icc_profile` describe the stored pixels and would mislead whoever saves these.
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    rgb.info.clear()
    return rgb


def _on_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return 8-bit grey; the one grey value that a PNG may declare transparent becomes white."""
    values = np.asarray(image, dtype=np.float32)
    if not np.isfinite(values).all():
        raise ImageProblem("pixels that are not finite numbers")
    low, high = _value_range(image.mode, values)
    grey = np.rint((values - low) * (255 / (high - low))).astype(np.uint8)
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255
    return Image.fromarray(grey)


def _value_range(mode: str, values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> tuple[float, float]:
    """Return the values that stand for black and white: the mode's full range where it has one.

    Integers of 32 bits and floats have no agreed range. The smallest customary one that holds every pixel is taken, so
    that all images of one source are scaled alike; values outside of all of them are stretched.
    """
    low, high = float(values.min()), float(values.max())
    customary = (1.0, 255.0, 65535.0) if mode == "F" else (65535.0,)
    for white in customary:
        if low >= 0 and high <= white:
            return 0.0, white
    return low, high if high > low else low + 1


class _PillowWarningsOff:
    """Silences Pillow's remarks on odd files while at least one thread is inside.

    `warnings.catch_warnings` alone is not safe in threads: two that overlap can restore each other's filters in the
    wrong order and leave them changed for good. Here the first to enter saves the filters and the last to leave
    restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._saved.__exit__(kind, error, trace)


_PILLOW_WARNINGS_OFF = _PillowWarningsOff()
