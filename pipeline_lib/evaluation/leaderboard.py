"""The leaderboard of a sweep: trials ranked by out-of-fold figures, each with its paired difference to the best one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

from pipeline_lib.errors import PipelineError
from pipeline_lib.evaluation.comparison import MEASURES, Hits, common_images, difference, estimate, hits_of, mean_of
from pipeline_lib.evaluation.out_of_fold import OutOfFold
from pipeline_lib.files.table import write_table

BOARD = "leaderboard.json"
TABLE = "leaderboard.csv"
TRAIN = "train/"
"""How the keys of the photographs begin that trials are ranked by: those of test judge what was chosen, nothing before."""


class Entrant(NamedTuple):
    """A trial that takes part.

    Attributes:
        name: What it is called.
        changes: What it sets, by dotted name.
        judged: Its out-of-fold outputs, one for each seed.
    """

    name: str
    changes: Mapping[str, Any]
    judged: Sequence[OutOfFold]


@dataclass(frozen=True)
class Place:
    """A trial on the leaderboard.

    Attributes:
        name: What it is called.
        changes: What it sets, by dotted name.
        figures: Measure (see `MEASURES`) -> value, low and high, 0..1, means over the seeds; noisy ones where there are any.
        by_seed: The figure that ranks, 0..1, for each seed.
        behind: Its difference to the best trial in that figure, with its interval, -1..1; 0 for the best one.
        behind_by_seed: The difference for each seed.
        spread: Standard deviation over the seeds of these differences, of the best trial that of its figures; None for one.
        distinguished: Whether the interval of the difference lies below 0, and the difference with every seed.
    """

    name: str
    changes: Mapping[str, Any]
    figures: Mapping[str, Mapping[str, float]]
    by_seed: Sequence[float]
    behind: Mapping[str, float]
    behind_by_seed: Sequence[float]
    spread: float | None
    distinguished: bool


def write_leaderboard(
    folder: Path, entrants: Sequence[Entrant], rank_by: str, seeds: Sequence[int], confidence: float
) -> dict[str, Any]:
    """Write ``leaderboard.json`` and ``leaderboard.csv``, the best trial first; return the figures in short.

    Args:
        folder: An existing folder.
        entrants: The trials; of equal ones the first is the best.
        rank_by: A measure, see `MEASURES`.
        seeds: The seeds of each trial.
        confidence: Level of the intervals.

    Returns:
        ``best`` (name), ``figure`` (value, low, high), ``rank_by``, ``trials``, ``runs``, ``photographs`` and ``sources``.

    Raises:
        PipelineError: There are no figures to rank by.
    """
    hits = [[hits_of(judged, TRAIN) for judged in entrant.judged] for entrant in entrants]
    images = common_images([each for of_seeds in hits for each in of_seeds])
    _check(entrants, hits, rank_by, len(images))
    same = [[each.of(images) for each in of_seeds] for of_seeds in hits]
    places = _places(entrants, same, rank_by, confidence)
    board = {
        "rank_by": rank_by,
        "confidence": confidence,
        "seeds": list(seeds),
        "photographs": len(images),
        "sources": len(set(same[0][0].sources.tolist())),
        "trials": [asdict(place) for place in places],
    }
    (folder / BOARD).write_text(json.dumps(board, indent=1) + "\n", encoding="utf-8")
    _write_table(folder, places, seeds)
    about = {name: board[name] for name in ("rank_by", "photographs", "sources")}
    runs = len(entrants) * len(seeds)
    return {"best": places[0].name, "figure": places[0].figures[rank_by], "trials": len(entrants), "runs": runs, **about}


def _check(entrants: Sequence[Entrant], hits: Sequence[Sequence[Hits]], rank_by: str, images: int) -> None:
    if not images:
        raise PipelineError("No photograph of train was judged in all trials; look at cross_validate of each one")
    for entrant, of_seeds in zip(entrants, hits, strict=True):
        if any(kind not in each.shares for each in of_seeds for kind in MEASURES[rank_by]):
            raise PipelineError(
                f"The trial {entrant.name} has no noisy views to rank by; set augment_train.views above 0, or rank_by: clean"
            )


def _places(entrants: Sequence[Entrant], hits: Sequence[Sequence[Hits]], rank_by: str, confidence: float) -> list[Place]:
    means = [mean_of(of_seeds) for of_seeds in hits]
    order = sorted(range(len(entrants)), key=lambda number: -means[number].figure(rank_by))
    best = order[0]
    return [
        _place(entrants[number], hits[number], means[number], (hits[best], means[best]), rank_by, confidence)
        for number in order
    ]


def _place(
    entrant: Entrant,
    of_seeds: Sequence[Hits],
    mean: Hits,
    best: tuple[Sequence[Hits], Hits],
    rank_by: str,
    confidence: float,
) -> Place:
    measures = [measure for measure, kinds in MEASURES.items() if all(kind in mean.shares for kind in kinds)]
    by_seed = [each.figure(rank_by) for each in of_seeds]
    apart = [one - other.figure(rank_by) for one, other in zip(by_seed, best[0], strict=True)]
    behind = estimate(difference(mean, best[1]), rank_by, confidence)
    varying = by_seed if mean is best[1] else apart
    return Place(
        entrant.name,
        entrant.changes,
        {measure: asdict(estimate(mean, measure, confidence)) for measure in measures},
        by_seed,
        asdict(behind),
        apart,
        stdev(varying) if len(varying) > 1 else None,
        behind.high < 0 and max(apart) < 0,
    )


def _write_table(folder: Path, places: Sequence[Place], seeds: Sequence[int]) -> None:
    """Write a row for each trial and seed, and the mean of the seeds in the columns behind."""
    rows = [
        {
            "rank": rank,
            "trial": place.name,
            "changes": json.dumps(place.changes, sort_keys=True),
            "seed": seed,
            "figure": figure,
            "behind": apart,
            "mean_figure": fmean(place.by_seed),
            **{f"mean_behind{end}": place.behind[key] for key, end in (("value", ""), ("low", "_low"), ("high", "_high"))},
        }
        for rank, place in enumerate(places, start=1)
        for seed, figure, apart in zip(seeds, place.by_seed, place.behind_by_seed, strict=True)
    ]
    write_table(folder / TABLE, list(rows[0]), rows)
