"""Progress of long stages: a bar where a terminal is watching, and a progress artifact in the Prefect UI."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import FlowRunContext, TaskRunContext
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar

from pipeline_lib.progress import Progress
from pipeline_lib.stages.run import current_run
from tasks.contract.publish import artifact_key

PAUSE = 2.0  # seconds between two moves in the UI; a stage that is over sooner has no progress artifact


@contextmanager
def progress_bar(stage: str) -> Iterator[Progress]:
    """Yield ``report(done, total, text)``, which moves a bar on standard error and the artifact ``<flow>-<stage>-progress``."""
    shown = _UiProgress(stage)
    with _terminal_bar(stage) as bar:

        def report(done: int, total: int | None, text: str) -> None:
            bar(done, total, text)
            shown.move(done, total, text)

        yield report
    shown.finish()


def say(line: str) -> None:
    """Report a line of text, where the run is watched and in the log that the Prefect UI shows."""
    current_run().say(line)
    get_run_logger().info(line)


class _UiProgress:
    """A progress artifact that begins to exist once its stage has taken a while."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.moved = time.monotonic()
        self.artifact: UUID | None = None

    def move(self, done: int, total: int | None, text: str) -> None:
        if not total or time.monotonic() - self.moved < PAUSE or not (FlowRunContext.get() or TaskRunContext.get()):
            return
        self.moved = time.monotonic()
        percent, message = 100 * min(done / total, 1), f"{self.stage}: {done:,} of {total:,} {text}"
        if self.artifact is None:
            key = f"{artifact_key(self.stage)}-progress"
            self.artifact = create_progress_artifact(percent, key=key, description=message)  # type: ignore[assignment]
        else:
            update_progress_artifact(self.artifact, percent, description=message)

    def finish(self) -> None:
        if self.artifact is not None:
            update_progress_artifact(self.artifact, 100.0, description=f"{self.stage}: done")


@contextmanager
def _terminal_bar(stage: str) -> Iterator[Progress]:
    if not sys.stderr.isatty():
        yield lambda done, total, text: None
        return
    columns = (
        TextColumn("{task.fields[stage]:>8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with ProgressBar(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None, stage=stage)
        yield lambda done, total, text: progress.update(task, completed=done, total=total, description=text)
