"""The commands on the remote store: ``garbage push`` and ``pull``, and what ``verify --remote`` and ``prune --remote`` do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from cli.command import artifacts_option, explained, json_option, use_artifacts
from flows.table import FLOWS
from pipeline_lib.errors import PipelineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline_lib.stages.history import Used
    from pipeline_lib.stages.shared_runs import Moved

_run_argument = click.argument("run", required=False)
_flow_option = click.option("--flow", type=click.Choice(list(FLOWS)), help="The last run of that flow.")
_dataset_option = click.option("--dataset", help="The last run on that dataset, by its name or PATH.")


@click.command("push")
@_run_argument
@_flow_option
@_dataset_option
@json_option
@artifacts_option
def push_command(run: str | None, flow: str | None, dataset: str | None, as_json: bool, artifacts: Path | None) -> None:
    """Publish what a run has used in the remote store (GARBAGE_REMOTE). RUN is how its id begins; without one it is the last.

    A run publishes its results itself if GARBAGE_REMOTE_MODE=readwrite: this is for runs that did not.
    """
    use_artifacts(artifacts)
    from pipeline_lib.stages.asking import find_run
    from pipeline_lib.stages.history import read_history
    from pipeline_lib.stages.shared_runs import push
    from pipeline_lib.stages.store import Store

    with explained(Console(stderr=True), lambda error: {"error": error} if as_json else None):
        store = Store()
        moved = push(store, find_run(chosen(read_history(store.root), flow, dataset), run))
    _tell(moved, "pushed", as_json)


@click.command("pull")
@_run_argument
@_flow_option
@_dataset_option
@json_option
@artifacts_option
def pull_command(run: str | None, flow: str | None, dataset: str | None, as_json: bool, artifacts: Path | None) -> None:
    """Get what a run on another machine has used from the remote store (GARBAGE_REMOTE), with its model and report.

    RUN is how its id begins; without one it is the last. A run fetches what it needs itself: this is for a model to predict
    with, or a report to read, and for work without the network.
    """
    use_artifacts(artifacts)
    from pipeline_lib.stages.asking import find_run
    from pipeline_lib.stages.shared_runs import opened, pull, shared_runs
    from pipeline_lib.stages.store import Store

    with explained(Console(stderr=True), lambda error: {"error": error} if as_json else None):
        store = Store()
        runs = {each.used.run: each for each in shared_runs(opened(store).bucket)}
        used = find_run(chosen([each.used for each in runs.values()], flow, dataset), run)
        moved = pull(store, runs[used.run])
    _tell(moved, "pulled", as_json)


def chosen(history: Sequence[Used], flow: str | None, dataset: str | None) -> list[Used]:
    """Return the runs of a flow, on a dataset; None stands for any.

    Raises:
        PipelineError: There are others, but none of these.
    """
    from pipeline_lib.stages.latest import file_name, names_of

    def fits(used: Used) -> bool:
        of, _, on = used.slot.partition("/")
        return flow in (None, of) and (dataset is None or file_name(on) in names_of(dataset))

    found = [used for used in history if fits(used)]
    if history and not found:
        slots = ", ".join(sorted({used.slot for used in history}))
        raise PipelineError(f"There is no such run; there are runs of {slots}")
    return found


def prune_remote_store(keep: int, dry_run: bool, as_json: bool) -> None:
    """Remove from the remote store what the last runs there do not use."""
    from pipeline_lib.stages.shared_upkeep import prune_remote
    from pipeline_lib.stages.store import Store

    with explained(Console(stderr=True), lambda error: {"error": error} if as_json else None):
        pruning = prune_remote(Store(), keep, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps({**pruning._asdict(), "removed": not dry_run}))
        return
    what = f"{len(pruning.results)} results, {len(pruning.runs)} records of runs and {pruning.blobs} files"
    frees = f"{pruning.bytes / 1e6:,.1f} MB; {pruning.kept / 1e6:,.1f} MB stay"
    click.echo(f"{what} {'would go, which frees' if dry_run else 'removed, which freed'} {frees}")


def _tell(moved: Moved, done: str, as_json: bool) -> None:
    used = moved.used
    if as_json:
        click.echo(json.dumps({"run": used.run, "slot": used.slot, "results": moved.results, "bytes": moved.bytes}))
    else:
        run = f"{used.run[:8]} ({used.slot}, {used.when.astimezone():%Y-%m-%d %H:%M})"
        click.echo(f"{done} {run}: {moved.results} results, {moved.bytes / 1e6:,.1f} MB moved")
