"""The command ``garbage prune``: results that no kept run uses are removed."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import ByteSize, TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from cli.command import artifacts_option, explained, json_option, use_artifacts
from cli.remote import prune_remote_store

if TYPE_CHECKING:
    from pipeline_lib.stages.prune import Pruning


class Size(click.ParamType[int]):
    """A number of bytes such as ``20GB`` or ``500 MiB``."""

    name = "size"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes."""
        try:
            return int(TypeAdapter(ByteSize).validate_python(value))
        except ValidationError:
            self.fail(f"{value!r} is no size; write it like 20GB or 500MB.", param, ctx)


@click.command("prune")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option(
    "--keep", default=7, show_default=True, type=click.IntRange(min=1), help="Runs to keep of each flow on each dataset."
)
@click.option("--budget", type=Size(), help="What results may take, such as 20GB: the oldest of the runs to keep go as well.")
@click.option("--remote", is_flag=True, help="Remove from the remote store instead, by the runs that were published there.")
@json_option
@artifacts_option
def prune_command(dry_run: bool, keep: int, budget: int | None, remote: bool, as_json: bool, artifacts: Path | None) -> None:
    """Remove results that the last runs do not use.

    What latest/ leads to, champions with their runs, runs that are pinned, and what is younger than a day, stays. A later run
    computes what is missing again; nothing that people wrote (labels.csv, looks.csv) is touched. In the remote store stays
    what its last runs use, runs that are pinned here, and what is younger than a week.
    """
    if remote and budget is not None:
        raise click.UsageError("--budget is for the results on this machine: leave it out with --remote.")
    use_artifacts(artifacts)
    if remote:
        prune_remote_store(keep, dry_run, as_json)
        return
    from pipeline_lib.stages.prune import plan_pruning, prune
    from pipeline_lib.stages.store import Store

    messages = Console(stderr=True)
    with explained(messages, lambda error: {"error": error} if as_json else None):
        pruning = (plan_pruning if dry_run else prune)(Store(), keep, budget)
    (messages if as_json else Console()).print(_table(pruning, dry_run))
    if as_json:
        named = [unneeded._asdict() for unneeded in pruning.results]
        click.echo(json.dumps({"results": named, "bytes": pruning.bytes, "kept": pruning.kept, "removed": not dry_run}))


@click.command("pin")
@click.argument("run")
@artifacts_option
def pin_command(run: str, artifacts: Path | None) -> None:
    """Keep what a run has used, whatever is pruned. RUN is how its id begins, as garbage runs has it."""
    _pin(run, artifacts, pinned=True)


@click.command("unpin")
@click.argument("run")
@artifacts_option
def unpin_command(run: str, artifacts: Path | None) -> None:
    """Let a run that was pinned be pruned like any other."""
    _pin(run, artifacts, pinned=False)


def _pin(run: str, artifacts: Path | None, *, pinned: bool) -> None:
    use_artifacts(artifacts)
    from pipeline_lib.stages.asking import find_run
    from pipeline_lib.stages.history import pin, read_history, unpin
    from pipeline_lib.stages.store import Store

    with explained(Console(stderr=True)):
        root = Store().root
        used = find_run(read_history(root), run)
        (pin if pinned else unpin)(root, used)
    now = "is pinned: pruning keeps its results" if pinned else "is not pinned"
    click.echo(f"{used.run[:8]} ({used.slot}, {used.when.astimezone():%Y-%m-%d %H:%M}) {now}")


def _table(pruning: Pruning, dry_run: bool) -> Table | str:
    from pipeline_lib.reporting.formats import duration

    frees = f"{pruning.bytes / 1e6:,.1f} MB; {pruning.kept / 1e6:,.1f} MB stay"
    if not pruning.results:
        return f"Nothing to remove: {pruning.kept / 1e6:,.1f} MB of results are all in use."
    seconds: dict[str, list[float]] = defaultdict(list)
    for unneeded in pruning.results:
        seconds[unneeded.path.split("/")[1]].append(unneeded.seconds or 0)
    table = Table(caption=f"{'would free' if dry_run else 'freed'} {frees}", caption_justify="left")
    table.add_column("stage")
    table.add_column("results", justify="right")
    table.add_column("to compute again", justify="right")
    for stage, each in seconds.items():
        table.add_row(stage, f"{len(each):,}", duration(sum(each)))
    return table
