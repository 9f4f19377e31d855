"""Progress of long stages: a bar where a terminal is watching."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Report = Callable[[int, int | None, str], None]


@contextmanager
def progress_bar(stage: str) -> Iterator[Report]:
    """Yield ``report(done, total, text)``, which moves a bar on standard error; without a terminal it does nothing."""
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
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None, stage=stage)
        yield lambda done, total, text: progress.update(task, completed=done, total=total, description=text)
