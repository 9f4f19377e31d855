"""How a command runs a flow in its own process: the options, the stages as they end, and what came of it."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console
from rich.highlighter import NullHighlighter

from cli.command import artifacts_option, config_option, explained, json_option, set_option, use_artifacts
from flows.table import FLOWS
from pipeline_lib.errors import PipelineError
from pipeline_lib.settings.load import PRESETS, load_settings

if TYPE_CHECKING:
    from types import FrameType

    from pipeline_lib.stages.run import Run

Command = TypeVar("Command", bound=Callable[..., Any])
Result = dict[str, Any]

GRACE = 10.0
"""Seconds that an interrupted run has for its end."""

HEARTBEAT = "PREFECT_FLOWS_HEARTBEAT_FREQUENCY"


def run_options(command: Command) -> Command:
    """Add the options that all commands share that run a flow."""
    verify = click.option("--verify", is_flag=True, help="Compare the digests of kept results too, not their sizes alone.")
    for option in (json_option, verify, artifacts_option, config_option, set_option):
        command = option(command)
    return command


def execute(
    *,
    planning: bool = False,
    flow: str,
    dataset: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
    artifacts: Path | None,
    verify: bool,
    as_json: bool,
    preset: str = PRESETS[0],
    finish: Callable[[Result], Result] = lambda result: result,
) -> None:
    """Run a flow, or say what a run would do, and print what came of it.

    Args:
        planning: Only say what would be reused; compute nothing.
        flow: Name of the flow.
        dataset: Its dataset; None for the flow's default.
        config: A file of settings.
        assignments: Settings as ``name=value``.
        artifacts: Folder of all results; None for what the environment names.
        verify: Compare digests of kept results too.
        as_json: Print the flow's result as one JSON object.
        preset: Name of the settings that are under these.
        finish: Is given what the flow has returned, and returns what is printed.
    """
    use_artifacts(artifacts)
    from pipeline_lib.stages.run import Run, watching

    messages = Console(stderr=True)
    _show_warnings(messages)
    run = Run(planning=planning, verify="digests" if verify else "sizes")
    if not planning:
        run.listener = lambda row: _announce(messages, row)
        run.say = lambda line: messages.print(f"         {line}", style="dim", markup=False, highlight=False)
    failed = explained(messages, lambda error: {"stages": run.stages, "error": error} if as_json else None)
    with _stoppable(messages), failed, watching(run):
        settings = load_settings(config, assignments, FLOWS[flow].settings, preset)
        function = FLOWS[flow].load()
        if not planning:
            _start_server()
        with _without_heartbeats():
            chosen = {"dataset": dataset} if dataset is not None else {}
            result = finish((function.fn if planning else function)(**chosen, settings=settings))
    _show(result, messages if as_json else Console(), run)
    if as_json:
        click.echo(json.dumps(result))


def drawn(result: Result, graph: str | None, as_json: bool) -> Result:
    """Draw the stages of a plan as a graph where that is asked for, and return what is printed.

    Args:
        result: What the flow has returned.
        graph: None for no graph, "" for one in text, else the file of a picture.
        as_json: Whether standard output is for one JSON object.

    Raises:
        PipelineError: The file is no ``.svg``, or its folder is not there.
    """
    if graph is None:
        return result
    from pipeline_lib.reporting.graph import as_svg, as_text

    if not graph:
        click.echo("\n".join(as_text(result["stages"])), err=as_json)
        return result
    file = Path(graph)
    if file.suffix != ".svg" or not file.parent.is_dir():
        raise PipelineError(f"The graph cannot be written to {graph}: name a file that ends in .svg, in a folder that is there")
    file.write_text(as_svg(result["stages"]), encoding="utf-8")
    return {**result, "graph": str(file)}


def _start_server() -> None:
    """Start the temporary Prefect server, unless Prefect is configured to use another one.

    Raises:
        PipelineError: It does not answer in time.
    """
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    if settings.api.url or not settings.server.ephemeral.enabled:
        return
    import httpx
    from prefect.server.api.server import SubprocessASGIServer

    server = SubprocessASGIServer()
    try:
        server.start()
    except (RuntimeError, httpx.TimeoutException) as error:
        code = server.server_process and server.server_process.poll()
        why = "" if code is None else f"; it ended with code {code}, and its own words are above"
        raise PipelineError(
            f"The temporary Prefect server did not answer within {settings.server.ephemeral.startup_timeout_seconds} s{why}. "
            "Run again when the machine is less busy, set PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS to wait longer, "
            "or let PREFECT_API_URL name a server that runs."
        ) from error


@contextmanager
def _stoppable(console: Console) -> Iterator[None]:
    """End soon when somebody interrupts or terminates the command, and take the temporary server along.

    Prefect marks the run as crashed and waits for the shards in progress. An interrupt gives it `GRACE` seconds for that, or
    until it is repeated; it is an exception that arises anywhere, and may be lost there. Then Python would wait for threads
    that may crash while it ends, and a terminated process would leave the server behind. Results are as safe as when a process
    is killed.
    """
    interrupted = threading.Event()

    def stop(number: int, frame: FrameType | None = None) -> None:
        console.print("[bold]stopped[/]; finished stages are kept, and the next run goes on from there", highlight=False)
        if "prefect.server.api.server" in sys.modules:
            from prefect.server.api.server import SubprocessASGIServer

            SubprocessASGIServer().stop()
        os._exit(128 + number)

    def interrupt(number: int, frame: FrameType | None) -> None:
        if interrupted.is_set():
            stop(number)
        interrupted.set()
        raise KeyboardInterrupt

    def insist() -> None:
        interrupted.wait()
        time.sleep(GRACE)
        stop(signal.SIGINT)

    # A thread that the handler had to start could wait for a lock that the interrupted code holds.
    threading.Thread(target=insist, daemon=True).start()
    before = {number: signal.signal(number, does) for number, does in ((signal.SIGTERM, stop), (signal.SIGINT, interrupt))}
    try:
        yield
    finally:
        if interrupted.is_set():
            stop(signal.SIGINT)
        for number, did in before.items():
            signal.signal(number, did)


@contextmanager
def _without_heartbeats() -> Iterator[None]:
    """Leave out a run's heartbeats: at its end Prefect waits up to a second for their thread.

    The watchman looks after the runs of deployments; whoever sits at a terminal sees that a run died.
    """
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    with nullcontext() if HEARTBEAT in os.environ else temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


def _show_warnings(console: Console) -> None:
    """Print what the pipeline warns of; Prefect's own console handler keeps silent about it."""
    from rich.logging import RichHandler

    handler = RichHandler(logging.WARNING, console, show_time=False, show_path=False, highlighter=NullHighlighter())
    logging.getLogger("pipeline_lib").addHandler(handler)


def _announce(console: Console, row: dict[str, Any]) -> None:
    from cli.console import announce

    announce(console, row)


def _show(result: Result, console: Console, run: Run) -> None:
    from cli.console import figures_tables, stages_table
    from pipeline_lib.reporting.blocks import read_shown

    console.print(stages_table(result["stages"], planned=run.planning))
    if not run.planning:
        for table in figures_tables(read_shown(ref.folder) for ref in run.shown.values()):
            console.print(table)
    for name, text in result.items():
        if isinstance(text, str):
            console.print(f"{name:<10} {text}", soft_wrap=True, highlight=False, markup=False)
    decided = result.get("champion", "").replace(";", ",")  # is shown already, and no notice has a semicolon
    for notice in result.get("notices", ()):
        if notice["text"] != decided:
            console.print(f"{'notice':<10} {notice['text']} [{notice['id']}]", soft_wrap=True, highlight=False, markup=False)
