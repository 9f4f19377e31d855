"""The views of a split: what they are called and what each of them draws. The pixels are ``pipeline_lib.views.augment``'s."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from pipeline_lib.settings.sections import TestViewSettings, TrainViewSettings

CLEAN = "clean"
INDEX = "index.csv"
"""Beside the images of a view: image, file, sha256 of the original and of the copy, and what was drawn."""

ARCHIVE = "images.zip"
"""Holds the images of a packed view under the names of their files."""


class View(BaseModel):
    """How one augmented view looks at an image; every range is drawn from uniformly.

    Attributes:
        name: Name of the view, also the name of its folder in a shard.
        sigma: Range of the Gaussian noise's standard deviation, of 255.
        angle_max: Rotation is drawn from -angle_max..angle_max degrees.
        flip: Probability of a horizontal flip.
        crop_min: Smallest share of the area that the random crop keeps.
        brightness: The brightness factor is drawn from 1 - brightness..1 + brightness.
        packed: Whether its images are kept in one archive a shard: those that nobody opens need no files of their own.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    sigma: tuple[float, float]
    angle_max: float
    flip: float = 0.0
    crop_min: float = 1.0
    brightness: float = 0.0
    packed: bool = False


def train_views(settings: TrainViewSettings) -> list[View]:
    """Return the augmented views of train, ``aug1`` .. ``augN``."""
    view = View(
        name="",
        sigma=(settings.sigma_min, settings.sigma_max),
        angle_max=settings.angle_max,
        flip=settings.flip,
        crop_min=settings.crop_min,
        brightness=settings.brightness,
    )
    return [view.model_copy(update={"name": f"aug{number}"}) for number in range(1, settings.views + 1)]


def test_views(settings: TestViewSettings) -> list[View]:
    """Return the augmented views of test, ``aug1`` .. ``augN``."""
    sigma, angle = (settings.sigma, settings.sigma), settings.angle_max
    return [View(name=f"aug{number}", sigma=sigma, angle_max=angle) for number in range(1, settings.views + 1)]


test_views.__test__ = False  # type: ignore[attr-defined]  # pytest would collect a function of this name


def grid_views(settings: TestViewSettings) -> list[View]:
    """Return the views of the robustness grid, noise x rotation; the cell without either is the clean view itself."""
    cells = [(sigma, angle) for sigma in settings.grid_sigmas for angle in settings.grid_angles if sigma or angle]
    return [
        View(name=f"sigma{sigma:g}-angle{angle:g}", sigma=(sigma, sigma), angle_max=angle, packed=True)
        for sigma, angle in cells
    ]


def views_of(settings: TrainViewSettings | TestViewSettings) -> list[View]:
    """Return the augmented views of a split: those of train, or those of test and its robustness grid."""
    if isinstance(settings, TrainViewSettings):
        return train_views(settings)
    return test_views(settings) + grid_views(settings)
