"""What stage ``leaderboard`` shows: the trials of a sweep, the best one first, and their curves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline_lib.reporting import figures
from pipeline_lib.reporting.blocks import Block, Card, Cell, Facts, Images, Results, Shown, Table
from pipeline_lib.reporting.formats import NOTHING, duration, interval, percent, value
from pipeline_lib.reporting.pictures import drawn
from pipeline_lib.settings.sections import TrainViewSettings

Board = Mapping[str, Any]
Trial = Mapping[str, Any]

RANKED = {"clean": "clean views", "noisy": "noisy views", "mean": "mean of clean and noisy views"}
HOW = (
    "{photographs:,} photographs of {sources:,} sources. Top-1 on photographs of train whose source the head has not seen, by "
    "cross-validation, {seeds}, with {confidence:.0%} intervals over sources. Differences are paired by photograph, "
    "so that what is hard for all cancels; each interval is for one difference by itself. Training: the first seed, with refit "
    "and calibration."
)
NOISE_OF_SEEDS = " Seed noise: the standard deviation over the seeds, of the difference, for the best trial of its figure."
CURVES = (
    "Solid: the validation part of train, which chooses the epoch; dashed: what trains. First seed. Each trial has its own "
    "views: without noisy ones among them, loss and accuracy are those on clean views."
)
TESTLESS = "No trial was evaluated on test: with the settings below, garbage run does that once."

NOISE = frozenset(f"augment_train.{name}" for name in TrainViewSettings.model_fields if name != "views")
"""What decides how hard the noisy views of train are; their number does not."""
OWN_NOISE = (
    "Trials differ in augment_train, and noisy figures are on the noisy views that a trial has drawn itself: compare those of "
    "trials with the same augment_train alone."
)


def show(results: Results) -> Shown:
    """Show the ranking, the differences and the curves, and the settings of the best trial."""
    (ref,) = results.values()
    board = json.loads((ref.folder / "leaderboard.json").read_text(encoding="utf-8"))
    best, summary = board["trials"][0], ref.manifest().summary
    ranked = f"{len(board['trials'])} trials with {_seeds(board)}; top-1 on sources never seen, {RANKED[board['rank_by']]}."
    return Shown(
        "Leaderboard",
        f"{best['name']} {percent(best['figures'][board['rank_by']]['value'])}, best of {len(board['trials'])}",
        f"{summary['about']} {ranked}".lstrip(),
        notices=(OWN_NOISE,) if _noise_differs(board) else (),
        cards=[*_cards(board, best)],
        findings=[_finding(board), TESTLESS],
        blocks=[*_blocks(ref.folder, board, summary["seconds"])],
    )


def _noise_differs(board: Board) -> bool:
    """Whether the trials draw different noisy views, which makes the figures on them those of different tasks."""
    drawn = [{name: value for name, value in trial["changes"].items() if name in NOISE} for trial in board["trials"]]
    return any(each != drawn[0] for each in drawn)


def _seeds(board: Board) -> str:
    count = len(board["seeds"])
    return f"{count} seeds" if count > 1 else "one seed"


def _cards(board: Board, best: Trial) -> Iterator[Card]:
    for measure, figure in best["figures"].items():
        if measure in ("clean", "noisy"):
            title = f"{measure.capitalize()} views, sources never seen"
            shown = (percent(figure["value"]), f"{best['name']}", figure["value"], *_ends(figure), interval(*_ends(figure)))
            yield Card(title, *shown)


def _ends(figure: Mapping[str, float]) -> tuple[float, float]:
    """Return the ends of a share's interval within 0..1."""
    return max(figure["low"], 0.0), min(figure["high"], 1.0)


def _finding(board: Board) -> str:
    best, *others = board["trials"]
    near = [trial["name"] for trial in others if not trial["distinguished"]]
    if not near:
        return f"{best['name']} is better than every other trial with every seed, and beyond the interval of each difference."
    listed = ", ".join(near[:3]) + (f" and {len(near) - 3} more" if len(near) > 3 else "")
    return f"{best['name']} comes first, but other photographs or seeds could put {listed} before it."


def _blocks(folder: Path, board: Board, seconds: Mapping[str, float]) -> Iterator[Block]:
    best, *others = board["trials"]
    yield _ranking(board, seconds)
    behind = [figures.Behind(each["name"], each["behind"], each["behind_by_seed"]) for each in others]
    alt = "Dot plot: the difference of every trial to the best one."
    rings = "; rings: each seed" if len(board["seeds"]) > 1 else ""
    note = f"Dots and lines: the difference and its interval{rings}. Orange: the interval is below 0."
    yield Images(drawn("differences", figures.differences(behind), alt), title=f"Behind {best['name']}", note=note)
    shown = board["trials"][: figures.MOST_CURVES]
    histories = {each["name"]: figures.read_history(folder / "curves" / f"{each['name']}.csv") for each in shown}
    alt = "Line charts: loss and accuracy of each trial over the epochs."
    first = f" The first {len(shown)} of {len(board['trials'])} trials." if len(shown) < len(board["trials"]) else ""
    yield Images(drawn("curves", figures.curves(histories), alt), title="Curves", note=CURVES + first)
    yield _settings(board["trials"])
    lines = (folder / "best.yaml").read_text(encoding="utf-8").splitlines()
    rows = [(name, text) for name, _, text in (line.partition(": ") for line in lines)]
    note = "best.yaml, in the result of this stage, is for garbage run --config best.yaml. All else has its default."
    yield Facts(rows or [("all settings", "default")], "Settings of the best trial", note)


def _ranking(board: Board, seconds: Mapping[str, float]) -> Table:
    measures = [measure for measure in board["trials"][0]["figures"] if measure != "mean" or board["rank_by"] == "mean"]
    several = len(board["seeds"]) > 1
    rows = []
    for trial in board["trials"]:
        scores = [_share(trial["figures"].get(measure)) for measure in measures]
        spread = [Cell(f"{100 * trial['spread']:.1f}")] if several else []
        rows.append([Cell(trial["name"]), *scores, _behind(trial, board), *spread, Cell(duration(seconds[trial["name"]]))])
    columns = ["trial", *measures, "to the best (points)", *(["seed noise (points)"] if several else []), "training"]
    note = HOW.format(**{**board, "seeds": f"mean of {_seeds(board)}" if several else "one seed"})
    title = f"Trials, ranked by {RANKED[board['rank_by']]}"
    return Table(columns, rows, title, note + (NOISE_OF_SEEDS if several else ""), "figures")


def _share(figure: Mapping[str, float] | None) -> Cell:
    if figure is None:
        return Cell(NOTHING)
    return Cell(percent(figure["value"]), figure["value"], *_ends(figure), interval(*_ends(figure)))


def _behind(trial: Trial, board: Board) -> Cell:
    if trial is board["trials"][0]:
        return Cell("best")
    ends = (f"{round(100 * trial['behind'][end], 1) + 0.0:+.1f}" for end in ("value", "low", "high"))  # no -0.0
    return Cell("{} ({} to {})".format(*ends))


def _settings(trials: Sequence[Trial]) -> Table:
    names = list(dict.fromkeys(name for trial in trials for name in trial["changes"]))
    rows = [[Cell(each["name"]), *(Cell(value(each["changes"].get(name))) for name in names)] for each in trials]
    return Table(["trial", *names], rows, "What the trials change")
