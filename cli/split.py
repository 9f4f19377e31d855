"""The command ``garbage split``: a dataset divided anew by source, as a folder of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cli.command import explained
from cli.running import Result, execute, run_options


@click.command("split")
@click.argument("dataset")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--test-share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Share of each class that becomes test, 0..1.  [default: the share that is test as delivered]",
)
@run_options
def split_command(out: Path, test_share: float | None, assignments: tuple[str, ...], **options: Any) -> None:
    """Divide DATASET anew into train and test so that no source is in both, and write it to a new folder OUT.

    Its images are hard links to kept results, copies on another file system; split.json says how they were divided.
    """
    from pipeline_lib.data.folder import check_free, write_split

    def finish(result: Result) -> Result:
        write_split(out, Path(result["split"]), result["data"])
        return {**result, "out": str(out.absolute())}

    with explained(Console(stderr=True)):
        check_free(out)
    share = () if test_share is None else (f"test_share={test_share}",)
    execute(flow="garbage-split", assignments=(*assignments, *share), finish=finish, **options)
