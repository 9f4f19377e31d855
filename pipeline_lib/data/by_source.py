"""Which sources become test, so that no source is in both train and test."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipeline_lib.errors import PipelineError

RULE = (
    "sources in the order of a hash of their content, each into test if every class has room for it; then, as long as one "
    "does, the source that brings the counts nearest to those wanted changes sides"
)
"""What `choose_test` does, in words."""


class Photograph(NamedTuple):
    """All that the choice depends on: an image's class, the number of its source, and the sha256 of its bytes."""

    label: str
    source: int
    sha256: str


def choose_test(images: Sequence[Photograph], share: float) -> set[int]:
    """Return the sources whose images become test; those of all others become train.

    A source stays whole, whatever its classes. Each class wants `wanted_test` images in test. Sources are taken in the order
    of a hash of their content, each into test if every class has room for it: a sample that needs no seed, in which a source
    of many images is as likely as one of few, and in which a new source moves few others. After that no single source could
    change sides and make the counts nearer. Nothing depends on the order of the images, on their names, or on which of them
    were test before.

    Args:
        images: All images, at least one.
        share: Share of each class that becomes test, 0..1.

    Raises:
        PipelineError: A class cannot be on both sides.
    """
    totals = Counter(image.label for image in images)
    wanted = wanted_test(totals, share)
    sources = _in_order_of_content(images)
    test, counts = _with_room(sources, wanted)

    def gap(label: str, count: int) -> int:
        """How far a class is from what it wants; farther than any count, if one side has none of it."""
        return abs(count - wanted[label]) + (len(images) if count in (0, totals[label]) else 0)

    def change(source: int) -> int:
        """How much farther all classes would be if a source changed sides."""
        sign = -1 if source in test else 1
        moves = ((label, counts[label], counts[label] + sign * count) for label, count in sources[source].items())
        return sum(gap(label, after) - gap(label, before) for label, before, after in moves)

    while change(nearest := min(sources, key=change)) < 0:
        (counts.subtract if nearest in test else counts.update)(sources[nearest])
        test ^= {nearest}
    _check_both_sides(counts, totals, sources)
    return test


def wanted_test(totals: Mapping[str, int], share: float) -> dict[str, int]:
    """Return how many images of each class test should have: its share, rounded, but at least one, and one less than all."""
    return {label: max(1, min(round(share * total), total - 1)) for label, total in totals.items()}


def _in_order_of_content(images: Sequence[Photograph]) -> dict[int, Counter[str]]:
    """Return each source's images by class, in the order of a hash of the source's content.

    The smallest digest of a source would not do: the more images it has, the smaller it is.
    """
    members = defaultdict(list)
    for image in images:
        members[image.source].append(image)
    content = {source: "".join(sorted(image.sha256 for image in each)) for source, each in members.items()}
    ordered = sorted(members, key=lambda source: hashlib.sha256(content[source].encode()).digest())
    return {source: Counter(image.label for image in members[source]) for source in ordered}


def _with_room(sources: Mapping[int, Counter[str]], wanted: Mapping[str, int]) -> tuple[set[int], Counter[str]]:
    """Return the sources for which every class has room in test when their turn comes, and their images by class."""
    test: set[int] = set()
    counts: Counter[str] = Counter()
    for source, size in sources.items():
        if all(counts[label] + count <= wanted[label] for label, count in size.items()):
            test.add(source)
            counts.update(size)
    return test, counts


def _check_both_sides(test: Counter[str], totals: Mapping[str, int], sources: Mapping[int, Counter[str]]) -> None:
    for label, total in totals.items():
        if test[label] in (0, total):
            count = sum(label in size for size in sources.values())
            raise PipelineError(
                f"Class {label} cannot be in both train and test: its {total} images come from {count} "
                f"source{'' if count == 1 else 's'}, which must stay whole; add images of other sources, or remove the class."
            )
