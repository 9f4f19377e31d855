"""What differs between the trainings of two runs, piece by piece, and trainings between the one and the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from pipeline_lib.causes.material import Material, Mixture
from pipeline_lib.settings.sections import TrainSettings

COMPARED = 64
"""Photographs whose features are compared: what computes features differs for all of them or for none."""

Kind = Literal["added", "removed", "relabelled", "setting", "seed", "features"]


@dataclass(frozen=True, order=True)
class Change:
    """A piece of what differs.

    Attributes:
        kind: What it is; ``features`` is all that features come from, such as weights and views.
        what: Class of a photograph, or ``class -> class``; name of a setting.
        photograph: Digest of a photograph; "" else.
        before: Value of a setting in the first run.
        after: Value in the second run.
        files: How many files of the photograph it is about.
    """

    kind: Kind
    what: str = ""
    photograph: str = ""
    before: str = ""
    after: str = ""
    files: int = 1

    @property
    def group(self) -> Change:
        """What it is tried with first: photographs of one kind and class are one."""
        return replace(self, photograph="", files=1)


def changes_of(before: Material, after: Material) -> list[Change]:
    """Return what differs between the trainings of two runs; photographs one by one."""
    changes = [Change("features")] if _features_differ(before, after) else []
    if before.seed != after.seed:
        changes.append(Change("seed", before=str(before.seed), after=str(after.seed)))
    old, new = before.settings.model_dump(), after.settings.model_dump()
    changes += [
        Change("setting", f"train.{name}", before=str(old[name]), after=str(new[name]))
        for name in old
        if old[name] != new[name]
    ]
    for digest in sorted({*before.keys, *after.keys}):
        first, second = (_classes(each.keys.get(digest, ())) for each in (before, after))
        if first != second:
            changes.append(_of_photograph(digest, first, second))
    return changes


def _of_photograph(digest: str, before: tuple[str, ...], after: tuple[str, ...]) -> Change:
    gone, come = (sorted((Counter(one) - Counter(other)).elements()) for one, other in ((before, after), (after, before)))
    if not gone:
        return Change("added", come[0], digest, files=len(come))
    if not come:
        return Change("removed", gone[0], digest, files=len(gone))
    return Change("relabelled", f"{gone[0]} -> {come[0]}", digest, files=len(gone))


def _classes(keys: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(key.split("/")[1] for key in keys))


def _features_differ(before: Material, after: Material) -> bool:
    common = sorted(before.keys.keys() & after.keys.keys())[:COMPARED]
    if before.table.width != after.table.width or before.table.noise_aware != after.table.noise_aware:
        return True
    for digest in common:
        first, second = (each.rows[each.keys[digest][0]] for each in (before, after))
        if len(first) != len(second) or not np.array_equal(before.table.take(first), after.table.take(second)):
            return True
    return False


@dataclass(frozen=True)
class Between:
    """The training of the second run with some changes taken back.

    Attributes:
        table: What it trains on.
        classes: Names of the classes by label.
        sources: The source of an image by its key.
        settings: How it trains.
        seed: Its seed.
        features: 0 if features are those of the first run, 1 if they are those of the second.
    """

    table: Mixture
    classes: tuple[str, ...]
    sources: Mapping[str, Hashable]
    settings: TrainSettings
    seed: int
    features: int


def between(before: Material, after: Material, changes: Collection[Change], taken_back: Collection[Change]) -> Between:
    """Return the training of the second run with some of all changes taken back; with all of them it is that of the first run.

    Photographs whose features a run does not have are left out where its features are used.
    """
    runs = (before, after)
    undone = {change.photograph for change in taken_back if change.photograph}
    whole = Change("features") in changes
    features = 0 if Change("features") in taken_back or len(taken_back) == len(changes) else 1
    classes = after.classes if before.classes == after.classes else tuple(sorted({*before.classes, *after.classes}))
    ids = {name: number for number, name in enumerate(classes)}
    changed = {change.photograph for change in changes if change.photograph}
    rows: list[tuple[int, int, str, int]] = []
    sources: dict[str, Hashable] = {}
    for digest in sorted({*before.keys, *after.keys}):
        side = (0 if digest in undone else 1) if digest in changed else features
        world = features if whole else side
        for key, named in _named(digest, side, world, runs):
            image = key if side == features or key not in runs[features].rows else f"{key}~"  # the name is another one's there
            label = ids[key.split("/")[1]]
            rows += [(world, int(row), image, label) for row in runs[world].rows[named]]
            sources[image] = (side != features, runs[side].sources[key])
    return Between(
        Mixture([before.table, after.table], rows),
        classes,
        sources,
        _settings(before, after, taken_back),
        before.seed if any(change.kind == "seed" for change in taken_back) else after.seed,
        features,
    )


def _named(digest: str, side: int, world: int, runs: tuple[Material, Material]) -> list[tuple[str, str]]:
    """Return the keys of a photograph on a side, each with the key under which the features of a run are found."""
    keys, there = runs[side].keys.get(digest, ()), runs[world].keys.get(digest, ())
    return [(key, key if key in there else there[0]) for key in keys] if there else []


def _settings(before: Material, after: Material, taken_back: Collection[Change]) -> TrainSettings:
    names = [change.what.removeprefix("train.") for change in taken_back if change.kind == "setting"]
    old: dict[str, Any] = before.settings.model_dump()
    return after.settings.model_copy(update={name: old[name] for name in names})


def in_groups(changes: Collection[Change]) -> dict[Change, tuple[Change, ...]]:
    """Return changes by the group that they are tried in first."""
    groups: dict[Change, list[Change]] = {}
    for change in changes:
        groups.setdefault(change.group, []).append(change)
    return {group: tuple(members) for group, members in groups.items()}


def in_words(changes: Collection[Change], features: str) -> str:
    """Say what changes are, such as ``14 photographs added to Eggshell``; ``features`` says what these come from."""
    counts: Counter[Change] = Counter()
    for change in changes:
        counts[change.group] += change.files
    return " and ".join(_phrase(change, count, features) for change, count in sorted(counts.items()))


def _phrase(change: Change, count: int, features: str) -> str:
    photographs = f"{count:,} photograph{'' if count == 1 else 's'}"
    return {
        "added": f"{photographs} added to {change.what}",
        "removed": f"{photographs} removed from {change.what}",
        "relabelled": f"{photographs} relabelled, {change.what}",
        "setting": f"the setting {change.what} {change.before} -> {change.after}",
        "seed": f"the seed of the training {change.before} -> {change.after}",
        "features": features,
    }[change.kind]
