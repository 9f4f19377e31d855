"""The validation part of train: the last images of every class, near-duplicates never parted.

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
    whole: defaultdict[str, list[list[str]]] = defaultdict(list)
    for group in near_duplicates(class_of, groups):
        classes = {class_of[image] for image in group}
        if len(classes) == 1:
            whole[classes.pop()].append(group)
    images = Counter(class_of.values())
    held_out: set[str] = set()
    for name in sorted(images):
        others = images[name] - sum(len(group) for group in whole[name])
        held_out.update(_last(whole[name], max(1, round(share * images[name])), may_take_all=others > 0))
    if not held_out:
        raise PipelineError(
            "No training image can be held out for validation: each class is a single picture or near-duplicates of one; "
            "add images that differ"
        )
    return frozenset(held_out)


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
