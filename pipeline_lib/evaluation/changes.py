"""What is different today from the day of the champion: photographs, what the new ones are like, and what they cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipeline_lib.data.changes import CLASSES, LEAKS, UNUSUAL, Changes, changes_between
from pipeline_lib.evaluation.arrivals import Photographed, Unusual, accuracy, unusual
from pipeline_lib.evaluation.drift import drift
from pipeline_lib.evaluation.pairs import TRAIN, Photographs, seen_by
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.files.table import write_table

SHOWN = 12
"""Unusual photographs that are shown as pictures, one for each source."""

LISTED = 200
"""Unusual photographs that are listed."""

SIDE, GAP = 160, 8
"""Pixels: the square that a picture is shown in, and what is between two."""


@dataclass(frozen=True)
class Today:
    """The photographs of today, and what today's model says of them out of fold.

    Attributes:
        photographs: All of them.
        clean: What was said of the clean views, n rows.
        features: (n, width) float32, of these views.
        groups: The source of each photograph by its key.
        leaked: Keys of the test photographs whose source is also in train.
        classes: Names.
    """

    photographs: Photographs
    clean: Predictions
    features: NDArray[np.float32]
    groups: Mapping[str, int]
    leaked: Collection[str]
    classes: Sequence[str]


def write_changes(folder: Path, today: Today, before: Photographs, open_image: Callable[[str], Image.Image]) -> dict[str, Any]:
    """Write what has changed since the champion into a folder.

    Args:
        folder: An existing folder.
        today: The photographs of today.
        before: Those that the champion knows.
        open_image: Returns the picture with a given key.

    Returns:
        ``photographs`` (numbers ``added``, ``removed``, ``relabelled``, ``moved``), ``halved`` (a row for each class that has
        lost half of its photographs of train or more: name, before, after), ``new_leaks`` (a number), ``new`` (photographs and
        sources of which the champion knows nothing), ``drift`` and ``accuracy`` (see there; None where nothing compares).
    """
    changes = changes_between(before.digests, today.photographs.digests)
    halved = _write_classes(folder, changes, before, today)
    leaks = sorted(set(today.leaked) - seen_by(before, today.photographs, today.groups))
    write_table(folder / LEAKS, ("image", "sha256"), [(image, today.photographs.digests[image]) for image in leaks])
    photographed = _photographed(today, before)
    _write_unusual(folder, photographed, today, open_image)
    drifted, judged = drift(photographed.by_source()) if len(photographed.images) else None, accuracy(photographed)
    return {
        "photographs": {kind: sum(counts.values()) for kind, counts in vars(changes).items()},
        "halved": halved,
        "new_leaks": len(leaks),
        "new": {"photographs": int(photographed.new.sum()), "sources": len(set(photographed.sources[photographed.new]))},
        "drift": drifted and {name: round(p, 6) for name, p in asdict(drifted).items()},
        "accuracy": judged and {name: round(share, 6) for name, share in asdict(judged).items()},
    }


def _photographed(today: Today, before: Photographs) -> Photographed:
    """Return the photographs that were judged; a source is new if the champion knows none of its photographs."""
    clean, known = today.clean, set(before.digests.values())
    sources, digests = clean.groups, today.photographs.digests
    is_known = np.array([digests[image] in known for image in clean.images.tolist()], np.bool_)
    length = np.linalg.norm(today.features, axis=1, keepdims=True)
    unit = np.asarray(today.features / np.maximum(length, np.finfo(np.float32).tiny), np.float64)
    right, labels = np.asarray(clean.predicted == clean.labels), np.asarray(clean.labels, np.int64)
    return Photographed(clean.images.tolist(), labels, sources, unit, right, ~np.isin(sources, sources[is_known]))


def _write_classes(folder: Path, changes: Changes, before: Photographs, today: Today) -> list[list[Any]]:
    """Write how many photographs of train each class had and has, and what became of them; return those that are halved."""
    had, has = (_of_train(photographs) for photographs in (before, today.photographs))
    came, went = Counter[str](), Counter[str]()
    for (old, new), count in changes.relabelled.items():
        went[old] += count
        came[new] += count
    names = sorted(had.keys() | has.keys() | changes.added.keys() | changes.removed.keys())
    columns = {"added": changes.added, "removed": changes.removed, "came": came, "went": went, "moved": changes.moved}
    rows = [(name, had[name], has[name], *(counts[name] for counts in columns.values())) for name in names]
    write_table(folder / CLASSES, ("class", "before", "after", *columns), rows)
    return [[name, had[name], has[name]] for name in names if 2 * has[name] <= had[name]]


def _of_train(photographs: Photographs) -> Counter[str]:
    return Counter(image.split("/")[1] for image in photographs.digests if image.startswith(TRAIN))


def _write_unusual(folder: Path, photographed: Photographed, today: Today, open_image: Callable[[str], Image.Image]) -> None:
    """Write the most unusual new photographs, and the first ones as pictures, beside the nearest old one of their class."""
    shown, rows = set[int](), list[dict[str, Any]]()
    for rank, each in enumerate(unusual(photographed)[:LISTED], start=1):
        row = _row(photographed, each, today) | {"rank": rank}
        source = int(photographed.sources[each.row])
        if source not in shown and len(shown) < SHOWN:
            shown.add(source)
            row["picture"] = f"unusual/{rank:03}.jpg"
            pair = (open_image(row[name]) for name in ("image", "nearest"))
            _write_beside(folder / row["picture"], *pair)
        rows.append(row)
    columns = ("rank", "image", "sha256", "class", "distance", "farther", "right", "nearest", "picture")
    write_table(folder / UNUSUAL, columns, rows)


def _write_beside(path: Path, left: Image.Image, right: Image.Image) -> None:
    """Write two pictures as one small JPEG, each in a square of its own."""
    sheet = Image.new("RGB", (2 * SIDE + GAP, SIDE), "white")
    for start, picture in ((0, left), (SIDE + GAP, right)):
        small = ImageOps.contain(picture.convert("RGB"), (SIDE, SIDE))
        sheet.paste(small, (start + (SIDE - small.width) // 2, (SIDE - small.height) // 2))
    path.parent.mkdir(exist_ok=True)
    sheet.save(path, "JPEG", quality=85)


def _row(photographed: Photographed, each: Unusual, today: Today) -> dict[str, Any]:
    image = photographed.images[each.row]
    return {
        "image": image,
        "sha256": today.photographs.digests[image],
        "class": today.classes[int(photographed.labels[each.row])],
        "distance": each.distance,
        "farther": each.farther,
        "right": int(photographed.right[each.row]),
        "nearest": photographed.images[each.nearest],
    }
