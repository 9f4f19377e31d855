"""The views of a split: what each of them draws and what it is called. The pixels are ``pipeline_lib.views.augment``'s."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipeline_lib.settings.sections import TestViewSettings, TrainViewSettings

VIEW_INDEX = "index.csv"
"""Beside the images of a view: image, file, sha256 of the original and of the copy, and what was drawn."""

ARCHIVE = "images.zip"
"""Holds the images of a packed view under the names of their files."""


class View(BaseModel):
    """How one view looks at an image; every range is drawn from uniformly.

    Attributes:
        kind: ``clean``, the image as it is; ``augmented``, a copy for data_new; ``grid``, a cell of the robustness grid.
        number: Number of an augmented view, from 1; 0 for the others.
        sigma: Range of the Gaussian noise's standard deviation, of 255.
        angle_max: Rotation is drawn from -angle_max..angle_max degrees.
        flip: Probability of a horizontal flip.
        crop_min: Smallest share of the area that the random crop keeps.
        brightness: The brightness factor is drawn from 1 - brightness..1 + brightness.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["clean", "augmented", "grid"] = "augmented"
    number: int = 0
    sigma: tuple[float, float] = (0.0, 0.0)
    angle_max: float = 0.0
    flip: float = 0.0
    crop_min: float = 1.0
    brightness: float = 0.0

    @property
    def name(self) -> str:
        """What the view is called in folders, tables and task runs; nothing reads it back."""
        if self.kind == "clean":
            return "clean"
        return f"aug{self.number}" if self.kind == "augmented" else f"sigma{self.sigma[1]:g}-angle{self.angle_max:g}"

    @property
    def packed(self) -> bool:
        """Whether its images are kept in one archive per shard: those that nobody opens need no files of their own."""
        return self.kind == "grid"


CLEAN = View(kind="clean")
"""The view that shows every image as it is."""


def augmented_views(settings: TrainViewSettings | TestViewSettings) -> list[View]:
    """Return the augmented views of a split, those of data_new: of train of every strength, of test all of one."""
    if isinstance(settings, TrainViewSettings):
        view = View(
            sigma=(settings.sigma_min, settings.sigma_max),
            angle_max=settings.angle_max,
            flip=settings.flip,
            crop_min=settings.crop_min,
            brightness=settings.brightness,
        )
    else:
        view = View(sigma=(settings.sigma, settings.sigma), angle_max=settings.angle_max)
    return [view.model_copy(update={"number": number}) for number in range(1, settings.views + 1)]


def grid_views(settings: TestViewSettings) -> list[View]:
    """Return the views of the robustness grid, noise x rotation; the cell without either is the clean view itself."""
    cells = [(sigma, angle) for sigma in settings.grid_sigmas for angle in settings.grid_angles if sigma or angle]
    return [View(kind="grid", sigma=(sigma, sigma), angle_max=angle) for sigma, angle in cells]


def views_of(settings: TrainViewSettings | TestViewSettings) -> list[View]:
    """Return the views of a split that have to be drawn: the augmented ones and, of test, the robustness grid."""
    return augmented_views(settings) + (grid_views(settings) if isinstance(settings, TestViewSettings) else [])
