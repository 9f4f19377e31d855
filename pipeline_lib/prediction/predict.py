"""Prediction: photographs in, class, calibrated probability and bin out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline_lib.data.classes import bin_of
from pipeline_lib.data.imagefolder import files_below
from pipeline_lib.errors import PipelineError
from pipeline_lib.files.table import write_table
from pipeline_lib.images.read import MAX_MEGAPIXELS, ImageFile, ImageProblem, read_image
from pipeline_lib.prediction.model import Model, open_model

COLUMNS = ("image", "class", "probability", "bin", "noise", "error")


def predict_paths(paths: Sequence[Path], model: Path, top: int) -> list[dict[str, Any]]:
    """Classify images, and all images in folders, in batches; return one row each, in order.

    A row has ``image``, ``class``, ``probability`` (0..1, calibrated), ``bin`` (None for a class without one), ``noise`` (the
    standard deviation that was removed, of 255; None by a model that does not estimate it) and ``top``: the ``top`` likeliest
    classes with their probabilities. A file that cannot be read has ``image`` and ``error`` instead.

    Raises:
        PipelineError: There is no model in the folder ``model``, or it is damaged.
        OSError: A folder cannot be read.
    """
    files = iter(list(_files(paths)))  # a folder that cannot be read is reported before anything is computed
    loaded = open_model(model)
    rows: list[dict[str, Any]] = []
    while batch := list(islice(files, loaded.batch)):
        rows += predict_files(batch, loaded, top)
    return rows


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from files_below(path)
        else:
            yield path


def predict_files(
    files: Sequence[ImageFile], model: Model, top: int, max_megapixels: float = MAX_MEGAPIXELS
) -> list[dict[str, Any]]:
    """Classify at most ``model.batch`` images; return one row each, in order, as ``predict_paths`` does.

    Args:
        files: What to read; ``str(file)`` is its name.
        model: What classifies.
        top: How many of the likeliest classes a row has.
        max_megapixels: Largest picture that is decoded.
    """
    read = [_read(file, max_megapixels) for file in files]
    images = [image for image in read if isinstance(image, Image.Image)]
    answers = zip(*model.answers(images), strict=True) if images else iter(())
    return [
        _row(file, *next(answers), model.classes, top)
        if isinstance(image, Image.Image)
        else {"image": str(file), "error": image}
        for file, image in zip(files, read, strict=True)
    ]


def _read(file: ImageFile, max_megapixels: float) -> Image.Image | str:
    """Return the image, or why there is none."""
    try:
        return read_image(file, max_megapixels)
    except ImageProblem as problem:
        return str(problem)


def _row(
    file: ImageFile, probabilities: NDArray[np.float64], noise: float | None, classes: Sequence[str], top: int
) -> dict[str, Any]:
    ranking = np.argsort(-probabilities, kind="stable")[:top]
    listed = [[classes[number], round(float(probabilities[number]), 4)] for number in ranking]
    first, probability = listed[0]
    found = {"class": first, "probability": probability, "bin": bin_of(first), "noise": noise}
    return {"image": str(file), **found, "top": listed}


def check_answered(paths: Sequence[Path], rows: Sequence[dict[str, Any]]) -> None:
    """See to it that at least one photograph was classified.

    Raises:
        PipelineError: ``predict_paths`` has found no file in ``paths``, or could read none of them.
    """
    if not rows:
        raise PipelineError(f"There is no file in {', '.join(map(str, paths))}; give photographs, or folders that hold some")
    if all("error" in row for row in rows):
        first = rows[0]
        raise PipelineError(
            f"No photograph was classified: of {len(rows)} file{'s' * (len(rows) > 1)} none can be read as an image "
            f"(first: {first['image']}: {first['error']})"
        )


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the rows of ``predict_paths`` without their runners-up.

    Raises:
        PipelineError: The file cannot be written.
    """
    try:
        write_table(path, COLUMNS, [[row.get(column) for column in COLUMNS] for row in rows])
    except OSError as error:
        raise PipelineError(f"{path} cannot be written: {error.strerror}") from error
