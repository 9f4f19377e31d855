"""Prediction: photographs in, class, calibrated probability and bin out."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline_lib.data.classes import bin_of
from pipeline_lib.data.image import ImageProblem, read_image
from pipeline_lib.errors import PipelineError
from pipeline_lib.model import Model, open_model

COLUMNS = ("image", "class", "probability", "bin", "error")


def predict_paths(paths: Sequence[Path], model: Path, top: int) -> list[dict[str, Any]]:
    """Classify images, and all images in folders, in batches; return one row each, in order.

    A row has ``image``, ``class``, ``probability`` (0..1, calibrated), ``bin`` (None for a class without one) and ``top``: the
    ``top`` likeliest classes with their probabilities. A file that cannot be read has ``image`` and ``error`` instead.

    Raises:
        PipelineError: There is no model in the folder ``model``, or it is damaged.
    """
    loaded = open_model(model)
    rows: list[dict[str, Any]] = []
    files = _files(paths)
    while batch := list(islice(files, loaded.batch)):
        rows += _predict_batch(batch, loaded, top)
    return rows


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
        else:
            yield path


def _predict_batch(files: Sequence[Path], model: Model, top: int) -> list[dict[str, Any]]:
    read = [_read(file) for file in files]
    images = [image for image in read if isinstance(image, Image.Image)]
    probabilities = iter(model.probabilities(images))
    return [
        _row(file, next(probabilities), model.classes, top)
        if isinstance(image, Image.Image)
        else {"image": str(file), "error": image}
        for file, image in zip(files, read, strict=True)
    ]


def _read(file: Path) -> Image.Image | str:
    """Return the image, or why there is none."""
    try:
        return read_image(file)
    except ImageProblem as problem:
        return str(problem)


def _row(file: Path, probabilities: NDArray[np.float64], classes: Sequence[str], top: int) -> dict[str, Any]:
    ranking = np.argsort(-probabilities, kind="stable")[:top]
    listed = [[classes[number], round(float(probabilities[number]), 4)] for number in ranking]
    return {"image": str(file), "class": listed[0][0], "probability": listed[0][1], "bin": bin_of(listed[0][0]), "top": listed}


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the rows of ``predict_paths`` without their runners-up.

    Raises:
        PipelineError: The file cannot be written.
    """
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise PipelineError(f"{path} cannot be written: {error.strerror}") from error
