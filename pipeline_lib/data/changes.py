"""What has changed between two states of a dataset: photographs are known by their content, whatever their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

CLASSES = "classes.csv"
"""A file of stage ``changes``: of each class the photographs of train before and after, and what has become of them."""

UNUSUAL = "unusual.csv"
"""A file of it: new photographs, those first that are like no old one of their class."""

LEAKS = "leaks.csv"
"""A file of it: test photographs of whose source a photograph has come into train."""

Place = tuple[str, str]
"""A split and a class."""


@dataclass
class Changes:
    """What has changed, in numbers of photographs.

    Attributes:
        added: By class.
        removed: By class.
        relabelled: By the class before and the class after.
        moved: Between train and test, by class.
    """

    added: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    relabelled: Counter[tuple[str, str]] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)

    def __bool__(self) -> bool:
        """Whether anything has changed."""
        return any((self.added, self.removed, self.relabelled, self.moved))


def changes_between(before: Mapping[str, str], after: Mapping[str, str]) -> Changes:
    """Return what has changed between two states of a dataset.

    A photograph that is there several times counts as often. One that has left one place and come to another was relabelled
    if the class is another one, else moved.

    Args:
        before: Digest of a file's content by its path, ``<split>/<class>/<name>``; files at other places do not count.
        after: The same of the second state.
    """
    changes, old, new = Changes(), _places(before), _places(after)
    for digest in sorted(old.keys() | new.keys()):
        first, second = old.get(digest, Counter()), new.get(digest, Counter())
        gone, come = _in_order(first - second), _in_order(second - first)
        for (_, name), (_, now) in zip(gone, come, strict=False):
            if name != now:
                changes.relabelled[name, now] += 1
            else:
                changes.moved[name] += 1
        both = min(len(gone), len(come))
        changes.removed.update(name for _, name in gone[both:])
        changes.added.update(name for _, name in come[both:])
    return changes


def _places(files: Mapping[str, str]) -> dict[str, Counter[Place]]:
    places: dict[str, Counter[Place]] = {}
    for path, digest in files.items():
        split, *rest = path.split("/")
        if len(rest) == 2:
            places.setdefault(digest, Counter())[split, rest[0]] += 1
    return places


def _in_order(places: Counter[Place]) -> list[Place]:
    return sorted(places.elements())
