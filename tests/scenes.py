"""Pictures that no two seeds have in common, and what is done to them to make another picture of the same source."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

SIDE = 240


def scene(seed: int, side: int = SIDE) -> Image.Image:
    """Draw a picture of many things in many colours."""
    rng = np.random.default_rng(seed)
    rough = rng.integers(60, 200, (5, 5, 3)).astype(np.uint8)
    image = Image.fromarray(rough).resize((side, side), Image.Resampling.BICUBIC)
    drawing = ImageDraw.Draw(image)
    for _ in range(60):
        x, y, width, height = (
            int(each) for each in rng.integers((0, 0, side // 40, side // 40), (side, side, side // 4, side // 4))
        )
        shape = drawing.ellipse if rng.random() < 0.5 else drawing.rectangle
        shape((x, y, x + width, y + height), fill=tuple(rng.integers(0, 256, 3).tolist()))
    return image


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    """Return a picture as the bytes of a JPEG file."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def cropped(image: Image.Image, area: float, x: float = 0.5, y: float = 0.5) -> Image.Image:
    """Keep a share of the area, at a place that is 0..1 from left to right and from top to bottom."""
    width, height = (round(length * area**0.5) for length in image.size)
    left, top = round(x * (image.width - width)), round(y * (image.height - height))
    return image.crop((left, top, left + width, top + height))


def turned(image: Image.Image, angle: float) -> Image.Image:
    """Turn a picture counter-clockwise and fill the corners with grey."""
    return image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))


def noisy(image: Image.Image, sigma: float) -> Image.Image:
    """Add Gaussian noise, of 255."""
    noise = np.random.default_rng(0).normal(0, sigma, (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def slanted(image: Image.Image, share: float) -> Image.Image:
    """Look at a picture from the side: its right edge is shorter by twice a share of the height."""
    width, height = image.size
    corners = np.float32([[0, 0], [0, height], [width, height], [width, 0]])
    moved = np.float32([[0, 0], [0, height], [width, height * (1 - share)], [width, height * share]])
    transform = cv2.getPerspectiveTransform(corners, moved)
    return Image.fromarray(cv2.warpPerspective(np.asarray(image), transform, (width, height), borderValue=(128, 128, 128)))


def erased(image: Image.Image, area: float) -> Image.Image:
    """Paint a share of the area, right of the middle, in black."""
    width, height = (round(length * area**0.5) for length in image.size)
    copy = image.copy()
    copy.paste((0, 0, 0), (image.width - width, (image.height - height) // 2, image.width, (image.height + height) // 2))
    return copy


def shrunk(image: Image.Image, scale: float) -> Image.Image:
    """Make a picture smaller inside a grey frame that keeps the size."""
    frame = Image.new("RGB", image.size, (128, 128, 128))
    small = image.resize([round(length * scale) for length in image.size])
    frame.paste(small, ((image.width - small.width) // 2, (image.height - small.height) // 2))
    return frame


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    """Write a picture as a JPEG and read it again."""
    return Image.open(io.BytesIO(jpeg(image, quality)))


Change = Callable[[Image.Image], Image.Image]

CHANGES: dict[str, Change] = {
    "crop to 80 % of the area": lambda image: cropped(image, 0.8, 0.2, 0.7),
    "crop to 50 %": lambda image: cropped(image, 0.5, 0.2, 0.7),
    "crop to 30 %": lambda image: cropped(image, 0.3, 0.2, 0.7),
    "turned by 10°": lambda image: turned(image, 10),
    "turned by 30°": lambda image: turned(image, 30),
    "turned by 45°": lambda image: turned(image, 45),
    "turned by 180°": lambda image: turned(image, 180),
    "mirrored": ImageOps.mirror,
    "mirrored, crop to 50 %": lambda image: cropped(ImageOps.mirror(image), 0.5),
    "noise of 10": lambda image: noisy(image, 10),
    "noise of 25": lambda image: noisy(image, 25),
    "noise of 50": lambda image: noisy(image, 50),
    "JPEG quality 30": lambda image: recompressed(image, 30),
    "JPEG quality 10": lambda image: recompressed(image, 10),
    "half as bright": lambda image: ImageEnhance.Brightness(image).enhance(0.5),
    "contrast 1.8": lambda image: ImageEnhance.Contrast(image).enhance(1.8),
    "colour removed": lambda image: ImageOps.grayscale(image).convert("RGB"),
    "hue turned by 60°": lambda image: hue(image, 60),
    "colours inverted": ImageOps.invert,
    "blur of 1 pixel": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
    "blur of 3 pixels": lambda image: image.filter(ImageFilter.GaussianBlur(3)),
    "a tenth erased": lambda image: erased(image, 0.1),
    "a third erased": lambda image: erased(image, 0.33),
    "upside down, mirrored": ImageOps.flip,
    "turned by 15°, three quarters of the size on grey": lambda image: turned(shrunk(image, 0.75), 15),
    "a quarter of the size": lambda image: image.resize((image.width // 4, image.height // 4)),
    "seen from the side": lambda image: slanted(image, 0.2),
    "crop to 50 %, turned by 20°, mirrored, JPEG 50": lambda image: recompressed(
        cropped(turned(ImageOps.mirror(image), 20), 0.5), 50
    ),
}
"""What makes another picture of the same source."""


def hue(image: Image.Image, degrees: float) -> Image.Image:
    """Turn all colours around the circle of hues."""
    hsv = np.array(image.convert("HSV"))
    hsv[..., 0] += np.uint8(round(degrees * 256 / 360))
    return Image.fromarray(hsv, "HSV").convert("RGB")
