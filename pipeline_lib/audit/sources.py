"""Which photographs come from one source picture: crops, turned, mirrored and recompressed copies of it.

The audit's exact copies and near-duplicates are one kind of evidence. The other is registration: pictures that are near in
the backbone's features are laid on one another, and count where geometry and colours agree.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from threadpoolctl import threadpool_limits

from pipeline_lib.audit.findings import IMAGES, PAIRS
from pipeline_lib.audit.geometry import MEASURED
from pipeline_lib.audit.leak_sheet import Leak, draw_leaks
from pipeline_lib.audit.neighbours import condensed, neighbour_pairs
from pipeline_lib.audit.verdicts import VERDICTS, confirmed, judge
from pipeline_lib.files.table import read_table, write_table
from pipeline_lib.images.read import read_image
from pipeline_lib.progress import Progress, ignore_progress
from pipeline_lib.stages.kept import Kept

KINDS = ("bytes", "pixels", "near", "registered")
"""Evidence that two images come from one source, the strongest first; three kinds are the audit's."""

INDIRECT = "indirect"
"""How a test image is called that is tied to train by other images only."""

SHOWN = 10
"""Findings of a kind that the summary names; the tables name all."""

LEAKS = "leaks.jpg"

LEAST_SCALE, LEAST_ANGLE = 0.05, 2.0
"""Changes of size (a share) and angle (degrees) that are worth a word."""

MEASURES = tuple(MEASURED.names or ())


class Pair(NamedTuple):
    """Two images of one source: positions of the images, kind of evidence, and what registration measured where it did.

    The transform leads from the first image to the second.
    """

    first: int
    second: int
    kind: str
    measured: Mapping[str, Any] | None = None


def find_sources(
    folder: Path,
    dataset: Path,
    audit: Path,
    features: Iterable[Mapping[str, NDArray[np.float32]]],
    previous: Kept | None = None,
    progress: Progress = ignore_progress,
) -> dict[str, Any]:
    """Find the images of one source and write them into ``folder``.

    ``images.csv`` has a row for each image: ``split``, ``class``, ``name``, ``source`` (one number for all images of one
    source, across splits and classes), and 1 or 0 for ``leaked`` (a test image whose source is also in train).

    ``pairs.csv`` has the pairs that hold the sources together: ``kind`` of evidence, what registration measured (see
    `compare`), ``relation``, whether they are of different classes, and both keys. ``verdicts.npy`` has what was measured
    on all pairs that were compared, for the next run. ``leaks.jpg`` shows leaked test images beside training images of the
    same source; it is absent when nothing leaks.

    Args:
        folder: Where the result goes.
        dataset: A dataset stage's folder.
        audit: An audit stage's folder.
        features: Features of the clean view by key, (width,) each; a part of the images at a time.
        previous: A result of the same code whose verdicts are taken over.
        progress: Called while pictures are compared.

    Returns:
        ``images``, ``sources`` (``count``, ``repeated``, ``largest``), ``pairs`` by kind, ``leaked`` (``count``, ``kinds``,
        ``first``), ``label_conflicts`` (``count``, ``first``), ``candidates``, ``computed`` (pictures that were looked at).
    """
    images = read_table(audit / IMAGES)
    keys = [f"{row['split']}/{row['class']}/{row['name']}" for row in images]
    pictures = distinct_pictures(images)
    candidates = neighbour_pairs(_vectors(features, [keys[at] for at in pictures]))
    digests = np.array([_digest(images[at]) for at in pictures], np.uint64)

    folder.mkdir(parents=True, exist_ok=True)
    verdicts, computed = judge(
        candidates,
        digests,
        lambda at: np.asarray(read_image(dataset / keys[pictures[at]])),
        folder / "sketches.tmp",
        previous,
        progress,
    )
    np.save(folder / VERDICTS, verdicts)
    accepted = confirmed(verdicts)
    registered = [
        _registered(pictures[first], pictures[second], dict(zip(MEASURES, verdict.item()[2:], strict=True)))
        for (first, second), verdict in zip(candidates[accepted], verdicts[accepted], strict=True)
    ]
    pairs = _strongest([*_copies(audit, keys), *registered])
    sources = group(len(images), pairs)
    leaks = find_leaks(keys, sources, pairs)
    if leaks:
        draw_leaks(folder / LEAKS, dataset, leaks)
    _write(folder, images, keys, sources, pairs, {leak.image for leak in leaks})
    return _summary(images, keys, sources, pairs, leaks) | {"candidates": len(candidates), "computed": computed}


def distinct_pictures(images: Sequence[Mapping[str, str]]) -> list[int]:
    """Return the positions of different pictures that are not blank, the first image of each, by their digests."""
    first: dict[int, int] = {}
    for at, row in enumerate(images):
        if row["blank"] == "0":
            first.setdefault(_digest(row), at)
    return [at for _, at in sorted(first.items())]


def _vectors(features: Iterable[Mapping[str, NDArray[np.float32]]], keys: Sequence[str]) -> NDArray[np.float32]:
    """Return the condensed features of images, (len(keys), width), in that order."""
    vectors: dict[str, NDArray[np.float32]] = {}
    with threadpool_limits(1):  # the last bit of a sum may depend on the number of threads
        for part in filter(None, features):
            vectors.update(zip(part, condensed(np.array(list(part.values()))), strict=True))
    return np.stack([vectors[key] for key in keys]) if keys else np.empty((0, 1), np.float32)


def _digest(row: Mapping[str, str]) -> int:
    return int(row["pixels"][:16], 16)


def _registered(one: int, other: int, measured: Mapping[str, Any]) -> Pair:
    if one < other:
        return Pair(one, other, "registered", measured)
    # What turns and mirrors is its own inverse.
    angle = measured["angle"] if measured["mirrored"] else -measured["angle"]
    return Pair(other, one, "registered", {**measured, "scale": 1 / measured["scale"], "angle": angle})


def _copies(audit: Path, keys: Sequence[str]) -> list[Pair]:
    place = {key: at for at, key in enumerate(keys)}
    rows = read_table(audit / PAIRS)
    sides = [
        [place[f"{row[f'{side}_split']}/{row[f'{side}_class']}/{row[f'{side}_name']}"] for row in rows]
        for side in ("first", "second")
    ]
    return [Pair(first, second, row["kind"]) for first, second, row in zip(*sides, rows, strict=True)]


def _strongest(pairs: Sequence[Pair]) -> list[Pair]:
    """Return each pair once, by its strongest evidence, with what was measured; in the order of the images."""
    best: dict[tuple[int, int], Pair] = {}
    for pair in sorted(pairs, key=lambda pair: KINDS.index(pair.kind)):
        before = best.setdefault(pair[:2], pair)
        best[pair[:2]] = before._replace(measured=before.measured or pair.measured)
    return [best[each] for each in sorted(best)]


def group(count: int, pairs: Sequence[Pair]) -> list[int]:
    """Return the source of each of ``count`` images: connected components, numbered in the order of their first image."""
    ends = np.array([pair[:2] for pair in pairs], np.int64).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    numbers: dict[int, int] = {}
    labels = connected_components(graph, directed=False)[1].tolist()
    return [numbers.setdefault(label, len(numbers)) for label in labels]


def find_leaks(keys: Sequence[str], sources: Sequence[int], pairs: Sequence[Pair]) -> list[Leak]:
    """Return each test image whose source has a training image, with that to which it is tied most closely."""
    trained = {source for key, source in zip(keys, sources, strict=True) if key.startswith("train/")}
    ties = defaultdict(list)
    for pair in sorted(pairs, key=_strength):
        ties[pair.first].append((pair.second, pair))
        ties[pair.second].append((pair.first, pair))
    tested = [at for at, key in enumerate(keys) if key.startswith("test/") and sources[at] in trained]
    return [_closest(keys, ties, at) for at in tested]


def _strength(pair: Pair) -> tuple[int, int]:
    return KINDS.index(pair.kind), -pair.measured["inliers"] if pair.measured else 0


def _closest(keys: Sequence[str], ties: Mapping[int, list[tuple[int, Pair]]], image: int) -> Leak:
    """Follow the ties of an image, strongest first, to the nearest training image."""
    waiting, met = deque([(image, 0)]), {image}
    while True:
        at, steps = waiting.popleft()
        for other, pair in ties[at]:
            if keys[other].startswith("train/"):
                kind, how = (INDIRECT, "tied by other images") if steps else (pair.kind, _how(pair))
                return Leak(keys[image], keys[other], kind, how)
            if other not in met:
                met.add(other)
                waiting.append((other, steps + 1))


def _how(pair: Pair) -> str:
    """Say in words how the second image differs from the first."""
    if pair.kind in ("bytes", "pixels"):
        return f"same {pair.kind}"
    if not pair.measured:
        return "near-copy"
    scale, angle = pair.measured["scale"], abs(pair.measured["angle"])
    words = [f"{scale:.2g} times as large"] if abs(scale - 1) > LEAST_SCALE else []
    words += [f"turned by {angle:.0f}°"] if angle > LEAST_ANGLE else []
    words += ["mirrored"] if pair.measured["mirrored"] else []
    return ", ".join(words) or "same size and angle"


def _write(
    folder: Path,
    images: Sequence[Mapping[str, str]],
    keys: Sequence[str],
    sources: Sequence[int],
    pairs: Sequence[Pair],
    leaked: set[str],
) -> None:
    rows = [
        (row["split"], row["class"], row["name"], source, int(key in leaked))
        for row, key, source in zip(images, keys, sources, strict=True)
    ]
    write_table(folder / IMAGES, ("split", "class", "name", "source", "leaked"), rows)
    columns = ("kind", *MEASURES, "relation", "other_class", "first", "second")
    write_table(folder / PAIRS, columns, [_row(images, keys, pair) for pair in pairs])


def _row(images: Sequence[Mapping[str, str]], keys: Sequence[str], pair: Pair) -> list[Any]:
    one, other = images[pair.first], images[pair.second]
    relation = f"within {one['split']}" if one["split"] == other["split"] else "across"
    measured = [_cell(pair.measured[name]) if pair.measured else None for name in MEASURES]
    return [pair.kind, *measured, relation, int(one["class"] != other["class"]), keys[pair.first], keys[pair.second]]


def _cell(value: Any) -> Any:
    return f"{value:.3f}" if isinstance(value, float) else int(value)


def _summary(
    images: Sequence[Mapping[str, str]],
    keys: Sequence[str],
    sources: Sequence[int],
    pairs: Sequence[Pair],
    leaks: Sequence[Leak],
) -> dict[str, Any]:
    sizes = Counter(sources)
    largest, size = sizes.most_common(1)[0]
    kinds = Counter(leak.kind for leak in leaks)
    conflicts = _conflicts(images, keys, sources)
    return {
        "images": dict(Counter(row["split"] for row in images)),
        "sources": {
            "count": len(sizes),
            "repeated": sum(size > 1 for size in sizes.values()),
            "largest": {"size": size, "image": keys[sources.index(largest)]},
        },
        "pairs": {kind: sum(pair.kind == kind for pair in pairs) for kind in KINDS},
        "leaked": {
            "count": len(leaks),
            "kinds": {kind: kinds[kind] for kind in (*KINDS, INDIRECT)},
            "first": [leak._asdict() for leak in leaks[:SHOWN]],
        },
        "label_conflicts": {"count": len(conflicts), "first": conflicts[:SHOWN]},
    }


def _conflicts(images: Sequence[Mapping[str, str]], keys: Sequence[str], sources: Sequence[int]) -> list[list[str]]:
    """Return the sources that are filed under several classes, by the first image of each class."""
    first: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for row, key, source in zip(images, keys, sources, strict=True):
        first[source].setdefault(row["class"], key)
    return [list(found.values()) for found in first.values() if len(found) > 1]
