"""A new model meets the champion: what is decided, and which photographs the two differ about, as tables and pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline_lib.evaluation.decided import BROKEN, CHANGED, CLASSES, DECISION, FIXED
from pipeline_lib.evaluation.metrics import rounded_floats
from pipeline_lib.evaluation.out_of_fold import OutOfFold
from pipeline_lib.evaluation.pairs import (
    Photographs,
    pair_on_test,
    pair_out_of_fold,
    read_photographs,
    said_out_of_fold,
    seen_by,
    without_noisy,
    write_photographs,
)
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.evaluation.promotion import Pair, Verdict, decide, decide_first
from pipeline_lib.files.table import write_table
from pipeline_lib.images.thumbnail import write_thumbnail
from pipeline_lib.settings.sections import PromoteSettings

SHOWN = 12
"""Pictures of each change, one for each source: whoever has seen one crop has seen them all."""

NOTHING: Mapping[str, Any] = {"test_fixed": 0, "test_newly_wrong": 0, "train_fixed": 0, "train_newly_wrong": 0}


@dataclass(frozen=True)
class Challenger:
    """A new model and the photographs of today.

    Attributes:
        judged: What it said out of fold.
        test: What it says of the clean test photographs.
        photographs: The photographs that it knows: those of today.
        views: How views of train were drawn: settings by name.
        leaked: Keys of the test photographs whose source is also in train.
        groups: The source of each photograph by its key.
        classes: (C,) names.
    """

    judged: OutOfFold
    test: Predictions
    photographs: Photographs
    views: Mapping[str, Any]
    leaked: Collection[str]
    groups: Mapping[str, int]
    classes: Sequence[str]


@dataclass(frozen=True)
class Incumbent:
    """The champion.

    Attributes:
        judged: What it said out of fold, when it was new.
        test: What it says of the clean test photographs of today.
        photographs: The photographs that it knows.
        views: How views of train were drawn for it.
    """

    judged: OutOfFold
    test: Predictions
    photographs: Photographs
    views: Mapping[str, Any]


def read_incumbent(judged: OutOfFold, test: Predictions, decided: Path) -> Incumbent:
    """Return the champion, with what the decision on it has noted in its folder."""
    views = json.loads((decided / DECISION).read_text(encoding="utf-8"))["views"]
    return Incumbent(judged, test, read_photographs(decided), views)


def meet(
    folder: Path,
    challenger: Challenger,
    champion: Incumbent | None,
    terms: PromoteSettings,
    looks: int,
    obstacle: str,
    open_image: Callable[[str], Image.Image],
) -> dict[str, Any]:
    """Decide about a new model, and write the decision with its tables and pictures into a folder.

    Args:
        folder: An existing folder.
        challenger: The new model.
        champion: The model in use; None for the first one.
        terms: What is asked of the new model.
        looks: How many models the test set has judged.
        obstacle: Why the two cannot be compared, in words; empty where they can.
        open_image: Returns the picture with a given key.

    Returns:
        The verdict without its classes, and how many photographs are fixed and newly wrong.
    """
    write_photographs(folder, challenger.photographs)
    said, labels = said_out_of_fold(challenger.judged, challenger.photographs)
    counts = dict(NOTHING)
    if obstacle or not len(labels):
        verdict = Verdict("needs a person", obstacle or "no photograph of train was judged out of fold")
    elif champion is None:
        verdict = decide_first(said, labels, terms)
    else:
        verdict, pairs = _compare(challenger, champion, terms, looks)
        keys = challenger.photographs.of_train
        counts |= write_changes(folder, pairs, keys, challenger.classes, open_image)
    return write_verdict(folder, verdict, challenger.views) | counts


def _compare(
    challenger: Challenger, champion: Incumbent, terms: PromoteSettings, looks: int
) -> tuple[Verdict, dict[str, Pair]]:
    """Return the verdict, and what it is based on by the part of the photographs."""
    train = pair_out_of_fold((challenger.judged, challenger.photographs), (champion.judged, champion.photographs))
    if not len(train.labels):
        return Verdict("needs a person", "the two models have no photograph of train in common"), {}
    if challenger.views != champion.views:
        train = without_noisy(train)  # the views of one may be noisier than those of the other
    seen = {*challenger.leaked, *seen_by(champion.photographs, challenger.photographs, challenger.groups)}
    test = pair_on_test(challenger.test, champion.test, seen)
    return decide(train, test, challenger.classes, terms, looks), {"test": test, "train": train}


def write_verdict(folder: Path, verdict: Verdict, views: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``decision.json`` and, where models were compared, ``classes.csv``; return what the former has."""
    summary: dict[str, Any] = rounded_floats({name: item for name, item in asdict(verdict).items() if name != "classes"})
    (folder / DECISION).write_text(json.dumps(summary | {"views": views}, indent=2) + "\n", encoding="utf-8")
    rows = [asdict(each) | {"difference": each.difference} for each in verdict.classes]
    if rows:
        write_table(folder / CLASSES, ("name", "images", "champion", "challenger", "difference", "p"), rows)
    return summary


def write_changes(
    folder: Path,
    pairs: Mapping[str, Pair],
    keys: Mapping[str, str],
    classes: Sequence[str],
    open_image: Callable[[str], Image.Image],
) -> dict[str, int]:
    """Write ``changed.csv`` and small pictures of photographs about which one model alone is right, the surest answers first.

    Args:
        folder: Where the result goes.
        pairs: What the models said, by the part of the photographs.
        keys: The key of each photograph of the pairs that is not its key itself.
        classes: (C,) names.
        open_image: Returns the picture with a given key.

    Returns:
        How many photographs are `FIXED` and `BROKEN`, by part and change.
    """
    counts, rows = {}, list[dict[str, Any]]()
    for part, pair in pairs.items():
        for change, sign in ((FIXED, 1), (BROKEN, -1)):
            changed = _surest(pair, sign)
            counts[f"{part}_{change}"] = len(changed)
            shown: set[int] = set()
            for number in changed:
                row = _row(pair, number, part, change, keys, classes)
                source = int(pair.sources[number])
                if source not in shown and len(shown) < SHOWN:
                    shown.add(source)
                    row["picture"] = f"{change}/{part}-{len(shown):02}.jpg"
                    write_thumbnail(folder / row["picture"], open_image(row["image"]))
                rows.append(row)
    write_table(folder / CHANGED, ("part", "change", "image", "class", "champion", "challenger", "confidence", "picture"), rows)
    return counts


def _surest(pair: Pair, sign: int) -> list[int]:
    """Return the rows that have changed that way, the surest answer of the challenger first."""
    changed = np.flatnonzero(pair.gained == sign)
    return [int(number) for number in changed[np.argsort(-pair.challenger.confidence[changed], kind="stable")]]


def _row(pair: Pair, number: int, part: str, change: str, keys: Mapping[str, str], classes: Sequence[str]) -> dict[str, Any]:
    name = str(pair.challenger.hits.images[number])
    said = {
        who: classes[int(each.predicted[number])]
        for who, each in (("champion", pair.champion), ("challenger", pair.challenger))
    }
    confidence = float(pair.challenger.confidence[number])
    about = {"part": part, "change": change, "image": keys.get(name, name), "class": classes[int(pair.labels[number])]}
    return {**about, **said, "confidence": confidence}
