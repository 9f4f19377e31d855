"""What the commands share: their options, the folder of results, and how a command ends when something is wrong."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from flows.table import DEFAULT, FLOWS
from pipeline_lib.errors import in_words, is_defect
from pipeline_lib.settings.load import PRESETS

artifacts_option = click.option(
    "--artifacts", type=click.Path(path_type=Path), help="Folder of all results (GARBAGE_ARTIFACTS, ./artifacts)."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line of standard output.")
config_option = click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE.yaml", help="Read settings from a file."
)
set_option = click.option(
    "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Change a setting, such as train.epochs=50."
)
preset_option = click.option(
    "--preset",
    type=click.Choice(PRESETS),
    default=PRESETS[0],
    show_default=True,
    help="Settings that come with the package, under those of --config and --set.",
)
flow_option = click.option(
    "--flow", type=click.Choice(list(FLOWS)), default=DEFAULT.name, show_default=True, help="Which flow."
)


def use_artifacts(artifacts: Path | None) -> None:
    """Let results be read from and written to a folder; without one it is what the environment names."""
    if artifacts:
        from pipeline_lib.stages.root import ARTIFACTS

        os.environ[ARTIFACTS] = str(artifacts.absolute())


@contextmanager
def explained(console: Console, as_json: Callable[[str], dict[str, Any] | None] = lambda error: None) -> Iterator[None]:
    """Turn an error into one sentence and exit code 1; what is neither the user's nor the machine's keeps its traceback."""
    try:
        yield
    except Exception as error:
        if is_defect(error):
            console.print_exception(max_frames=8)
        sentence = in_words(error)
    else:
        return
    console.print(f"[bold red]error[/] {escape(sentence)}", soft_wrap=True, highlight=False)
    if (result := as_json(sentence)) is not None:
        click.echo(json.dumps(result))
    sys.exit(1)
