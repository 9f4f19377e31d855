"""What people should look at among the labels of a dataset, as tables and pictures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline_lib.files.table import write_table
from pipeline_lib.images.thumbnail import write_thumbnail
from pipeline_lib.labels.listed import OUTLIERS, OVERLAPS, SUSPECTS, picture_of
from pipeline_lib.labels.outliers import distances
from pipeline_lib.labels.suspects import find_overlaps, find_suspects

SHOWN_SUSPECTS, SHOWN_OUTLIERS = 40, 12
"""How many of their sources are shown as pictures: whoever has seen one crop has seen them all."""

LISTED_OUTLIERS = 100
"""Every photograph has a distance; the farthest ones are listed."""


@dataclass(frozen=True)
class Labelled:
    """Photographs with their labels, n rows.

    Attributes:
        images: Keys ``<split>/<class>/<name>``.
        sha256: Digests of their bytes.
        labels: (n,) int64, the given classes, 0..C-1.
        probabilities: (n, C) float64, from models that have not seen the source of the photograph.
        sources: (n,) int64, a number for each source.
        features: (n, width) float32, of the clean view.
        classes: (C,) names.
    """

    images: Sequence[str]
    sha256: Sequence[str]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    sources: NDArray[np.int64]
    features: NDArray[np.float32]
    classes: Sequence[str]


def check_labels(
    folder: Path, labelled: Labelled, decided: Collection[str], open_image: Callable[[str], Image.Image]
) -> dict[str, Any]:
    """Write which labels are suspected to be wrong, which photographs are like no other, and which classes overlap.

    ``suspects.csv`` has what a decision needs, the most suspicious first: rank, image, sha256, source, given and suggested
    class, probability of the suggested one, quality (probability of the given one). ``outliers.csv`` has the distance of the
    `LISTED_OUTLIERS` photographs that are farthest from all others, ``overlaps.csv`` the pairs of classes. Pictures of the
    first ones, one for each source, are in ``suspects/`` and ``outliers/``, named by their rank.

    Args:
        folder: Where the result goes.
        labelled: The photographs.
        decided: Keys of the photographs whose label somebody has decided on: they are not listed again.
        open_image: Returns the picture with a given key.

    Returns:
        Counts: ``photographs``, ``suspects``, their ``sources``, ``outliers`` and ``overlaps`` that are listed, ``decided``.
    """
    suspects = _ranked(_suspects(labelled), decided)
    outliers = _ranked(_outliers(labelled), decided)[:LISTED_OUTLIERS]
    overlaps = _overlaps(labelled)
    write_table(folder / SUSPECTS, ("rank", *_PHOTOGRAPH, "suggested", "probability", "quality"), suspects)
    write_table(folder / OUTLIERS, ("rank", *_PHOTOGRAPH, "distance"), outliers)
    write_table(folder / OVERLAPS, ("class", "other", "images"), overlaps)
    for name, listed, shown in (("suspects", suspects, SHOWN_SUSPECTS), ("outliers", outliers, SHOWN_OUTLIERS)):
        for row in _first_of_sources(listed)[:shown]:
            write_thumbnail(folder / picture_of(name, row["rank"]), open_image(row["image"]))
    return {
        "photographs": len(labelled.images),
        "suspects": len(suspects),
        "sources": len(_first_of_sources(suspects)),
        "outliers": len(outliers),
        "overlaps": len(overlaps),
        "decided": len(set(decided) & set(labelled.images)),
    }


def _ranked(rows: Iterable[dict[str, Any]], decided: Collection[str]) -> list[dict[str, Any]]:
    """Return the rows that nobody has decided on, with their rank from 1."""
    return [{"rank": rank, **row} for rank, row in enumerate((row for row in rows if row["image"] not in decided), start=1)]


def _first_of_sources(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    first: dict[int, dict[str, Any]] = {}
    for row in rows:
        first.setdefault(row["source"], row)
    return list(first.values())


def _suspects(labelled: Labelled) -> Iterable[dict[str, Any]]:
    for suspect in find_suspects(labelled.probabilities, labelled.labels):
        shares = {"probability": suspect.probability, "quality": suspect.quality}
        yield _photograph(labelled, suspect.row) | {"suggested": labelled.classes[suspect.suggested]} | shares


def _outliers(labelled: Labelled) -> Iterable[dict[str, Any]]:
    apart = distances(labelled.features, labelled.sources)
    for row in np.argsort(-apart, kind="stable").tolist():
        yield _photograph(labelled, row) | {"distance": float(apart[row])}


_PHOTOGRAPH = ("image", "sha256", "source", "given")


def _photograph(labelled: Labelled, row: int) -> dict[str, Any]:
    given = labelled.classes[int(labelled.labels[row])]
    cells = (labelled.images[row], labelled.sha256[row], int(labelled.sources[row]), given)
    return dict(zip(_PHOTOGRAPH, cells, strict=True))


def _overlaps(labelled: Labelled) -> list[tuple[str, str, float]]:
    overlaps = find_overlaps(labelled.probabilities, labelled.labels)
    return [(labelled.classes[each.first], labelled.classes[each.second], round(each.images, 1)) for each in overlaps]
