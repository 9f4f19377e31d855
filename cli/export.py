"""The command ``garbage export``: a model as files for other runtimes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.command import artifacts_option, explained, json_option, use_artifacts
from flows.table import DEFAULT

if TYPE_CHECKING:
    from pipeline_lib.progress import Progress

FORMATS = ("onnx", "int8", "mindir", "page", "labels")


@click.command("export")
@click.option("--model", type=click.Path(path_type=Path), help="Folder of a trained model.")
@click.option("--dataset", metavar="NAME|PATH", help="Name or PATH of the dataset whose model is exported.")
@click.option("--to", "target", type=click.Path(path_type=Path), help="Folder of the files.  [default: DATASET-model]")
@click.option(
    "--format",
    "formats",
    default="onnx,labels",
    show_default=True,
    metavar="NAME,...",
    help=f"What to write: {', '.join(FORMATS)}.",
)
@click.option(
    "--photographs",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of photographs to compare on.  [default: test of the model's dataset]",
)
@json_option
@artifacts_option
def export_command(
    model: Path | None,
    dataset: str | None,
    target: Path | None,
    formats: str,
    photographs: Path | None,
    as_json: bool,
    artifacts: Path | None,
) -> None:
    """Export a model of photographs as files for other runtimes, each compared with the model before it is handed out.

    onnx is the whole model in one file: pixels of a picture of any size in, calibrated probabilities out. int8 is the same with
    a backbone of 8 bits, mindir the network for MindSpore, labels the classes and bins. page is a folder that a browser opens
    without a server: one drops photographs, and can teach the model. The comparison goes through the file that is written, on
    clean, noisy and scaled photographs; where it falls short, nothing is written.
    """
    if model and dataset:
        raise click.UsageError("--model names a folder and --dataset a dataset's model: give one of them.")
    names = _formats(formats)
    use_artifacts(artifacts)
    messages = Console(stderr=True)
    with explained(messages):
        from cli.console import show_model
        from pipeline_lib.export.export import check_target, describe, export
        from pipeline_lib.export.photographs import find_photographs
        from pipeline_lib.export.source import read_source
        from pipeline_lib.stages.latest import latest_model, named_model
        from pipeline_lib.stages.store import Store

        root = Store().root
        chosen = named_model(model) if model else latest_model(root, DEFAULT.name, dataset, embedded=DEFAULT.embedded)
        show_model(messages, chosen)
        target = (target or Path(f"{chosen.dataset or chosen.folder.resolve().name}-model")).absolute()
        check_target(target)
        source = read_source(chosen.folder, chosen.dataset)
        found = find_photographs(source, root / "stages", photographs)
        with _bar(messages) as progress:
            written = export(source, target, names, found, progress)
        described = describe(source, found, written)
        (messages if as_json else Console()).print(*_tables(described), sep="\n")
        messages.print(f"written to {target}", highlight=False, soft_wrap=True)
        if as_json:
            click.echo(json.dumps({"folder": str(target), **described}))


def _formats(text: str) -> Sequence[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names or (unknown := [name for name in names if name not in FORMATS]):
        wrong = unknown[0] if names else text
        raise click.BadParameter(f"{wrong!r} is no format; there are {', '.join(FORMATS)}.", param_hint="--format")
    return names


@contextmanager
def _bar(console: Console) -> Iterator[Progress]:
    """Yield what moves a bar where a terminal is watching."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as ProgressBar

    columns = (TextColumn("comparing {task.description}"), BarColumn(), MofNCompleteColumn())
    with ProgressBar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", visible=False)
        yield lambda done, total, text: bar.update(task, completed=done, total=total, description=text, visible=True)


def _tables(described: dict[str, Any]) -> Iterator[Table | Text]:
    """Yield for each file its size, and where it was compared a table of how it answers."""
    from pipeline_lib.export.page import share

    yield Text(f"compared on {described['photographs']}")
    for file in described["files"]:
        title, validation = f"{file['file']}, {file['bytes'] / 1e6:.2f} MB", file["validation"]
        if not validation:
            yield Text(title)
            continue
        table = Table(title=f"{title}, {validation['milliseconds']} ms for a photograph", title_justify="left")
        for heading in ("photographs", "same class", "largest difference", "accuracy", "the model's"):
            table.add_column(heading, justify="left" if heading == "photographs" else "right", overflow="fold")
        for view in (*validation["views"], *validation["held_out"]):
            figures = (f"{view['agreement']:.3f}", f"{view['difference']:.2g}", share(view["export"]), share(view["model"]))
            table.add_row(f"{view['photographs']:,} {view['view']}", *figures)
        yield table
