"""The command ``garbage runs``: what runs have shown of which test set, and how often each was looked at."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.command import artifacts_option, explained, json_option, use_artifacts
from flows.table import FLOWS

if TYPE_CHECKING:
    from datetime import datetime

    from pipeline_lib.evaluation.looks import Entry, Looks


class Evaluated(NamedTuple):
    """An evaluation that runs have shown.

    Attributes:
        entry: The row of the run that has shown it first.
        last: When a run has shown it last.
        run: Id of that run.
        runs: How many runs have shown it.
        looks: How often its test set was looked at.
        pinned: Id of a run that has shown it and is pinned; "" for none.
    """

    entry: Entry
    last: datetime
    run: str
    runs: int
    looks: Looks
    pinned: str = ""


@click.command("runs")
@click.option("--flow", type=click.Choice(list(FLOWS)), help="The runs of one flow alone.")
@click.option("--dataset", help="The runs on one dataset alone, by its name or PATH.")
@json_option
@artifacts_option
def runs_command(flow: str | None, dataset: str | None, as_json: bool, artifacts: Path | None) -> None:
    """List what runs have shown of their test sets, newest first, and how often each test set was looked at."""
    use_artifacts(artifacts)
    from pipeline_lib.evaluation.looks import LEDGER, read_ledger
    from pipeline_lib.stages.history import pinned
    from pipeline_lib.stages.latest import file_name, names_of
    from pipeline_lib.stages.store import Store

    with explained(Console(stderr=True)):
        entries = read_ledger(Store().root / LEDGER)
    wanted = [
        each
        for each in evaluated(entries, pinned(Store().root))
        if (flow is None or each.entry.flow == flow) and (dataset is None or file_name(each.entry.dataset) in names_of(dataset))
    ]
    if as_json:
        click.echo(json.dumps({"runs": [_plain(each) for each in wanted]}, ensure_ascii=False))
    elif wanted:
        for table in runs_tables(wanted):
            Console().print(table)
    else:
        click.echo(_nothing(entries))


def evaluated(entries: Iterable[Entry], pinned: Collection[str] = ()) -> list[Evaluated]:
    """Return every evaluation of a flow on a dataset, the one that was shown last first."""
    from pipeline_lib.evaluation.looks import looks_of

    every = list(entries)
    shown: dict[tuple[str, ...], list[Entry]] = {}
    for entry in every:
        shown.setdefault((entry.flow, entry.dataset, entry.test, entry.evaluation), []).append(entry)
    found = [
        Evaluated(
            rows[0],
            rows[-1].when,
            rows[-1].run,
            len({row.run for row in rows}),
            looks_of(rows[0], every),
            _pinned(rows, pinned),
        )
        for rows in shown.values()
    ]
    return sorted(found, key=lambda each: each.last, reverse=True)


def _pinned(rows: Iterable[Entry], pinned: Collection[str]) -> str:
    return next((row.run for row in rows if row.run in pinned), "")


def runs_tables(runs: Iterable[Evaluated]) -> Iterator[Table]:
    """Yield a table for each flow, dataset and test set, in the order in which they come."""
    places: dict[tuple[str, ...], list[Evaluated]] = {}
    for each in runs:
        places.setdefault((each.entry.flow, each.entry.dataset, each.entry.test), []).append(each)
    yield from map(_table, places.values())


def _table(runs: Sequence[Evaluated]) -> Table:
    from pipeline_lib.reporting.formats import percent
    from pipeline_lib.reporting.looks import looks_in_words, optimism_in_words

    first = runs[0]
    title = f"{first.entry.flow} on {first.entry.dataset}, test set {first.entry.test[:8]}"
    best = next((optimism_in_words(each.looks, percent(each.entry.top1)) for each in runs if each.looks.optimism), "")
    caption = " ".join(filter(None, [looks_in_words(first.looks), best]))
    table = Table(title=Text(title), title_justify="left", title_style="bold", caption=caption, caption_justify="left")
    table.add_column("last run")
    table.add_column("id")
    table.add_column("settings that differ", overflow="fold", ratio=1)
    table.add_column("top-1 without leaks", justify="right")
    unseen = any(each.entry.unseen_top1 is not None for each in runs)
    if unseen:
        table.add_column("sources never seen", justify="right")
    table.add_column("runs", justify="right")
    for each in runs:
        entry, when = each.entry, f"{each.last.astimezone():%Y-%m-%d %H:%M}"
        figures = [_figure(entry.top1, entry.top1_low, entry.top1_high)]
        if unseen:
            figures.append(_figure(entry.unseen_top1, entry.unseen_top1_low, entry.unseen_top1_high))
        pin = f", pinned {each.pinned[:8]}" if each.pinned not in ("", each.run) else ", pinned" if each.pinned else ""
        table.add_row(when, each.run[:8] + pin, Text(_settings(entry)), *figures, f"{each.runs:,}")
    return table


def _figure(share: float | None, low: float | None, high: float | None) -> str:
    from pipeline_lib.reporting.formats import interval, percent

    return percent(share) if share is None else f"{percent(share)} ({interval(low, high)})"


def _settings(entry: Entry) -> str:
    """Return the settings that are not the default as ``--set`` takes them."""
    changed = json.loads(entry.settings).items()
    texts = {name: value if isinstance(value, str) else json.dumps(value, separators=(",", ":")) for name, value in changed}
    return " ".join(f"{name}={text}" for name, text in texts.items()) or "none"


def _plain(each: Evaluated) -> dict[str, Any]:
    entry = each.entry.model_copy(update={"when": each.last, "run": each.run}).model_dump(mode="json")
    return {
        **entry,
        "settings": json.loads(each.entry.settings),
        "runs": each.runs,
        "pinned": each.pinned,
        "looks": each.looks.model_dump(),
    }


def _nothing(entries: Iterable[Entry]) -> str:
    """Say in one sentence that there is nothing to list, and what there is instead."""
    others = sorted({f"{entry.flow} on {entry.dataset}" for entry in entries})
    if not others:
        return "No run has shown figures on a test set yet; `garbage run` starts one."
    return f"No such run has shown figures on a test set; there are runs of {', '.join(others)}."
