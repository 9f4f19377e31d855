"""What the command line shows: stages as they end, tables of stages, figures, predictions and settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline_lib.reporting import blocks
from pipeline_lib.settings.load import setting_names
from pipeline_lib.settings.sections import Section
from pipeline_lib.stages.latest import TrainedModel
from pipeline_lib.stages.run import Row

STYLES = {"computed": "green", "reused": "cyan", "stale": "yellow", "failed": "bold red"}


def announce(console: Console, row: Row) -> None:
    """Print one line for a stage that has ended."""
    console.print(
        f"[{STYLES[row['status']]}]{row['status']:>8}[/] {row['name']:<10} {row['seconds']:7.1f} s  ", end="", highlight=False
    )
    console.print(_why(row), style="dim", markup=False, highlight=False)


def stages_table(stages: Iterable[Row], *, planned: bool = False) -> Table:
    """Return the table of stages: computed or reused, seconds, what each has come to, and why."""
    table = Table(title="Stages", title_justify="left", title_style="bold")
    table.add_column("stage")
    table.add_column("status")
    if not planned:
        table.add_column("seconds", justify="right")
        table.add_column("result", overflow="fold")
    table.add_column("why", overflow="fold")
    for row in stages:
        status = f"[{STYLES[row['status']]}]{row['status']}[/]"
        came_of_it = [] if planned else [f"{row['seconds']:.1f}", _text(row["figure"])]
        table.add_row(row["name"], status, *came_of_it, _text(_why(row)))
    return table


def _why(row: Row) -> str:
    """Return the reason, with the count of shards where a stage has several."""
    counts = [f"{row[status]} {status}" for status in ("failed", "stale", "computed", "reused") if status in row]
    return f"{row['reason']} ({', '.join(counts)})" if len(counts) > 1 else row["reason"]


def _text(text: str) -> Any:
    from rich.text import Text

    return Text(text)  # never markup: reasons quote file names


def figures_tables(stages: Iterable[blocks.Shown]) -> Iterator[Table]:
    """Yield the tables of figures among all that the stages show."""
    for block in (block for shown in stages for block in shown.blocks):
        if isinstance(block, blocks.Table) and block.role == "figures":
            table = Table(title=_text(block.title), title_justify="left", title_style="bold")
            for number, column in enumerate(block.columns):
                table.add_column(_text(column), justify="right" if number else "left", overflow="fold")
            for row in block.rows:
                table.add_row(*(_text(f"{cell.text} ({cell.interval})" if cell.interval else cell.text) for cell in row))
            yield table


def show_model(console: Console, model: TrainedModel) -> None:
    """Print which model predicts: the dataset it was trained on, when, where it is, and what else there is."""
    when = f"trained {model.trained:%Y-%m-%d %H:%M}, " if model.trained else ""
    dataset = f"dataset {model.dataset}, " if model.dataset else ""
    champion = f"champion since {model.since:%Y-%m-%d}, " if model.since else ""
    lines = [f"model   {dataset}{champion}{when}{model.folder}"]
    if model.embedded:
        lines.append("        trained on what comes with the project to try it out; train on photographs of your own")
    if model.others:
        lines.append(f"        --dataset chooses another one: {', '.join(model.others)}")
    console.print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)


def predictions_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table of predictions: one row per image, its class, probability, bin and noise, then the runners-up."""
    table = Table()
    for heading in ("image", "class", "probability", "bin", "noise", "then"):
        table.add_column(heading, justify="right" if heading in ("probability", "noise") else "left", overflow="fold")
    for row in rows:
        if "error" in row:
            table.add_row(_text(row["image"]), f"[red]{row['error']}[/]", "", "", "", "")
            continue
        then = ", ".join(f"{name} {100 * share:.0f}%" for name, share in row["top"][1:])
        probability, noise = f"{100 * row['probability']:.1f}%", "" if row["noise"] is None else f"{row['noise']:.1f}"
        table.add_row(_text(row["image"]), _text(row["class"]), probability, row["bin"] or "", noise, _text(then))
    return table


def settings_table(settings: Section) -> Table:
    """Return every setting with its value and what it is for."""
    table = Table()
    for heading in ("setting", "value", "what it is"):
        table.add_column(heading, overflow="fold")
    for name, field in setting_names(type(settings)):
        value: Any = settings
        for part in name.split("."):
            value = getattr(value, part)
        table.add_row(name, _text(str(value)), field.description or "")
    return table
