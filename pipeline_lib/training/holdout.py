"""What is held out of train: the last images of every class to validate on, and folds; near-duplicates are never parted.

A shuffled cut would put neighbours of one source on both sides and flatter the model, so the cut is contiguous in
file-name order. It does not depend on the seed: runs with different seeds are then judged by the same images, and what
the order decides, chance need not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence

from pipeline_lib.errors import PipelineError


def validation_images(class_of: Mapping[str, str], groups: Mapping[str, Hashable], share: float) -> frozenset[str]:
    """Return the keys of the images that are held out, copies included.

    Groups go to one side whole. Those with more images than a class is to give up, and those that reach into another
    class, stay in training; the rest are cut in the order of their first image, the last ones held out. A class gives
    up at least one image if that leaves it another group to train on, and none otherwise.

    Args:
        class_of: The class of each training image by its key; keys sort as the file names do.
        groups: The group of near-duplicates of an image; an image without one stands alone.
        share: Share of each class to hold out, above 0 and below 1.

    Raises:
        PipelineError: No class can give up an image.
    """
    whole = _groups_of_classes(class_of, groups)
    images = Counter(class_of.values())
    held_out: set[str] = set()
    for name in sorted(images):
        others = images[name] - sum(len(group) for group in whole.get(name, []))
        held_out.update(_last(whole.get(name, []), max(1, round(share * images[name])), may_take_all=others > 0))
    if not held_out:
        raise PipelineError(
            "No training image can be held out for validation: each class is a single picture or near-duplicates of one; "
            "add images that differ"
        )
    return frozenset(held_out)


def folds(class_of: Mapping[str, str], groups: Mapping[str, Hashable], count: int) -> dict[str, int]:
    """Return the fold, 0..count-1, of each training image that one fold holds out; the others train in all of them.

    The groups of a class are dealt out in the order of their first image, neighbours to one fold. As in
    `validation_images`, groups stay whole, and those that reach into another class stay in training, as does the only group
    of a class: every fold leaves each class something to train on.

    Args:
        class_of: The class of each training image by its key; keys sort as the file names do.
        groups: The group of near-duplicates of an image; an image without one stands alone.
        count: Number of folds, at least 2.
    """
    images = Counter(class_of.values())
    fold_of: dict[str, int] = {}
    for name, members in _groups_of_classes(class_of, groups).items():
        if len(members) > 1 or len(members[0]) < images[name]:
            fold_of |= {image: place * count // len(members) for place, group in enumerate(members) for image in group}
    return fold_of


def _groups_of_classes(class_of: Mapping[str, str], groups: Mapping[str, Hashable]) -> dict[str, list[list[str]]]:
    """Return for each class the groups that lie within it, in the order of their first image."""
    whole: defaultdict[str, list[list[str]]] = defaultdict(list)
    for group in near_duplicates(class_of, groups):
        classes = {class_of[image] for image in group}
        if len(classes) == 1:
            whole[classes.pop()].append(group)
    return whole


def near_duplicates(images: Iterable[str], groups: Mapping[str, Hashable]) -> list[list[str]]:
    """Return the images by group, in the order of each group's first image; an image without a group stands alone."""
    members: dict[Hashable, list[str]] = {}
    for image in sorted(images):
        identity = ("group", groups[image]) if image in groups else ("alone", image)
        members.setdefault(identity, []).append(image)
    return list(members.values())


def _last(groups: Sequence[list[str]], wanted: int, *, may_take_all: bool) -> list[str]:
    """Return the images of the last groups, as near to ``wanted`` as whole groups get; groups are in name order."""
    if len(groups) < 2 and not may_take_all:
        return []
    fitting = [group for group in groups if len(group) <= wanted] or sorted(groups, key=len)[:1]
    if len(fitting) == len(groups) and not may_take_all:
        fitting = fitting[1:]
    taken: list[str] = []
    for group in reversed(fitting):
        if taken and len(taken) + len(group) / 2 >= wanted:
            break
        taken += group
    return taken
