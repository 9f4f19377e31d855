"""The figures of the models of a flow on a dataset, in the order in which they were decided on: its nights.

Each result of stage ``nights`` has all nights that were known when it was made. A night whose other results were pruned is
therefore still known, and a run that is repeated finds the nights up to its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline_lib.evaluation.selection import UNSEEN
from pipeline_lib.files.table import read_table, write_table
from pipeline_lib.stages.publishing import MANIFEST
from pipeline_lib.stages.result import Record, read_manifest

NIGHTS = "nights.csv"
"""One row per night, the first one first."""

SERIES: Mapping[str, str] = {**UNSEEN, "test": "test as delivered"}
"""What is followed over the nights: a set of images by its key in the figures of an evaluation, and what it is called."""


class Figure(Record):
    """Top-1 on a set of images with its interval, 0..1."""

    top1: float
    low: float
    high: float


class Night(Record):
    """What one model has come to.

    Attributes:
        when: When it was decided on first, in UTC: ``2026-11-28T02:31:07``.
        decision: What became of it, in a word.
        key: Key of that decision.
        figures: A figure for each name of `SERIES`; None where nothing was judged.
    """

    when: str
    decision: str
    key: str
    figures: dict[str, Figure | None]


def figures_of(summary: Mapping[str, Any]) -> dict[str, Figure | None]:
    """Return the figures that are followed from the summary of stage ``evaluate``."""
    return {name: _figure(summary[name], "top1", "top1_low", "top1_high") if summary.get(name) else None for name in SERIES}


def add_night(known: Iterable[Night], night: Night) -> list[Night]:
    """Return the nights up to a night and with it; it is what it was if it is known."""
    by_key = {each.key: each for each in (night, *known)}
    ordered = sorted(by_key.values(), key=lambda each: (each.when, each.key))
    return ordered[: ordered.index(by_key[night.key]) + 1]


def write_nights(folder: Path, nights: Sequence[Night]) -> None:
    """Write a row for each night into a folder."""
    ends = [f"{name}_{end}" for name in SERIES for end in Figure.model_fields]
    write_table(folder / NIGHTS, ("when", "decision", "key", *ends), map(_row, nights))


def read_nights(folder: Path) -> list[Night]:
    """Return what `write_nights` has written."""
    return [_night(row) for row in read_table(folder / NIGHTS)]


def known_nights(root: Path, slot: str) -> list[Night]:
    """Return every night of a slot that a kept result below an artifacts root knows, in no order."""
    folders = [path.parent for path in sorted((root / "stages/nights").glob(f"*/{MANIFEST}")) if "." not in path.parent.name]
    ours = [folder for folder in folders if read_manifest(folder).parts["settings"]["slot"] == slot]
    return [night for folder in ours for night in read_nights(folder)]


def _row(night: Night) -> dict[str, Any]:
    row: dict[str, Any] = {"when": night.when, "decision": night.decision, "key": night.key}
    for name, figure in night.figures.items():
        row |= {f"{name}_{end}": share for end, share in (figure.model_dump() if figure else {}).items()}
    return row


def _night(row: Mapping[str, str]) -> Night:
    figures = {name: _figure(row, *(f"{name}_{end}" for end in Figure.model_fields)) for name in SERIES}
    return Night(when=row["when"], decision=row["decision"], key=row["key"], figures=figures)


def _figure(values: Mapping[str, Any], top1: str, low: str, high: str) -> Figure | None:
    shares = [values[name] for name in (top1, low, high)]
    return None if shares[0] in ("", None) else Figure(top1=shares[0], low=shares[1], high=shares[2])
