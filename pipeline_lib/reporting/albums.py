"""Albums: the photographs behind the cells of a confusion matrix and behind each source, small enough for a report."""

from __future__ import annotations

import hashlib
import io
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from PIL import Image as PillowImage

from pipeline_lib.errors import PipelineError
from pipeline_lib.images.read import ImageProblem, read_image
from pipeline_lib.mnist.arrays import has_split, read_split
from pipeline_lib.reporting.blocks import Image, Pile
from pipeline_lib.stages.result import Ref

Open = Callable[[str], PillowImage.Image]
"""Returns the picture of a photograph by its key ``<split>/<class>/<name>``."""

SIDE, QUALITY = 80, 60
"""Pixels: longest side of a small picture; quality of its JPEG. It has about 1.5 KB."""

MOST_WRONG = 600
"""Wrong photographs that a matrix shows; where there are more, the largest cells show their surest ones."""

MOST_RIGHT = 6
"""Right photographs of a class that a matrix shows: the least sure ones."""

MOST_CLASSES = 60
"""Above this many classes no cell of a matrix can be hit."""


class Prediction(NamedTuple):
    """What a network said about a photograph: its key, the true class and the one said (0..C-1), and how sure it was, 0..1."""

    key: str
    true: int
    said: int
    confidence: float


def confusion_piles(judged: Sequence[Prediction], names: Sequence[str]) -> list[Pile]:
    """Return the cells of a confusion matrix as piles, row by row: wrong ones surest first, right ones least sure first."""
    cells: defaultdict[tuple[int, int], list[Prediction]] = defaultdict(list)
    for each in sorted(judged, key=lambda each: (-each.confidence, each.key)):
        cells[each.true, each.said].append(each)
    most = _most_of_each([len(photographs) for (true, said), photographs in cells.items() if true != said], MOST_WRONG)
    totals = Counter(each.true for each in judged)
    piles = []
    for (true, said), photographs in sorted(cells.items()):
        shown = photographs[:most] if true != said else photographs[::-1][:MOST_RIGHT]
        what = f"{names[true]}, recognised" if true == said else f"{names[true]} taken for {names[said]}"
        piles.append(
            Pile(
                f"{len(photographs):,}",
                f"{what}: {_count(len(photographs))}",
                [(name_of(each.key), f"{each.confidence:.0%} sure") for each in shown],
                _left_out(len(shown), len(photographs), "surest" if true != said else "least sure"),
                true,
                said,
                len(photographs) / totals[true],
            )
        )
    return piles


def source_piles(sources: Mapping[str, Sequence[str]], leaking: Iterable[str]) -> list[Pile]:
    """Return the sources of several photographs as piles: those with a photograph in both train and test first, then by size.

    Args:
        sources: The keys of the photographs of each source, by its name.
        leaking: Names of the sources that have photographs in both.
    """
    first = frozenset(leaking)
    several = {source: sorted(keys) for source, keys in sources.items() if len(keys) > 1}
    order = sorted(several, key=lambda source: (source not in first, -len(several[source]), several[source][0]))
    return [_source(several[source], source in first) for source in order]


def _source(keys: Sequence[str], leaks: bool) -> Pile:
    classes = sorted({key.split("/")[1] for key in keys})
    splits = Counter(key.split("/")[0] for key in keys)
    where = " and ".join(f"{splits[split]} in {split}" for split in ("test", "train") if splits[split])
    label = f"{', '.join(classes)}: {_count(len(keys))}"
    return Pile(
        f"{label}, {splits['test']} in test" if leaks else label,
        f"{' and '.join(classes)}: {_count(len(keys))} of one source, {where}",
        [(name_of(key), key.split("/")[0] if leaks else "") for key in keys],
    )


def small_pictures(keys: Iterable[str], piles: Sequence[Pile], open_image: Open) -> list[Image]:
    """Return a small picture of each photograph that is in some pile, once.

    Args:
        keys: The photographs' keys.
        piles: The piles, which name their photographs by `name_of`.
        open_image: Returns the picture of a key.

    Raises:
        PipelineError: A photograph cannot be read any more.
    """
    shown = {name for pile in piles for name, _ in pile.photographs}
    wanted = sorted(key for key in set(keys) if name_of(key) in shown)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda key: _small(key, open_image(key)), wanted))


def photographs_of(dataset: Ref) -> Open:
    """Return what opens the photographs of a dataset stage's result, be they files or arrays."""
    if not has_split(dataset.folder, "test"):
        return lambda key: _opened(dataset.folder / key)
    split = read_split(dataset.folder, "test")
    places = {key: number for number, key in enumerate(split.keys)}
    return lambda key: PillowImage.fromarray(split.images[places[key]])


def _opened(path: Path) -> PillowImage.Image:
    try:
        return read_image(path)
    except ImageProblem as problem:
        raise PipelineError(
            f"{path} was a usable image and no longer is ({problem}); run again with --verify, which computes it anew."
        ) from problem


def name_of(key: str) -> str:
    """Return the name of a photograph's small picture, which is the same in every album."""
    return f"photograph-{hashlib.sha256(key.encode()).hexdigest()[:12]}.jpg"


def _small(key: str, picture: PillowImage.Image) -> Image:
    copy = picture.convert("RGB")
    copy.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    copy.save(file, "JPEG", quality=QUALITY, optimize=True)
    return Image(name_of(key), file.getvalue(), copy.width, copy.height, key)


def _most_of_each(sizes: Sequence[int], limit: int) -> int:
    """Return how many of each pile can be shown so that all together are no more than a limit, but at least one of each."""
    most = max(sizes, default=1)
    while most > 1 and sum(min(size, most) for size in sizes) > limit:
        most -= 1
    return most


def _count(photographs: int) -> str:
    return f"{photographs:,} photograph{'' if photographs == 1 else 's'}"


def _left_out(shown: int, photographs: int, which: str) -> str:
    return f"The {shown} {which} of {photographs:,}." if shown < photographs else ""
