"""The command ``garbage ingest``: what a page was taught enters a dataset."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from cli.command import explained, json_option

if TYPE_CHECKING:
    from pipeline_lib.labels.ingest import Ingested


@click.command("ingest")
@click.argument("patch", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dataset", required=True, type=click.Path(path_type=Path), help="Folder of the dataset.")
@click.option("--dry-run", is_flag=True, help="Say what would be changed, and change nothing.")
@json_option
def ingest_command(patch: Path, dataset: Path, dry_run: bool, as_json: bool) -> None:
    """Put the photographs and labels of PATCH, which the page of `garbage export --format page` has written, into a dataset.

    New photographs go into train/<class>, corrected labels of photographs that are there into labels.csv; the next run uses
    both. Every photograph is checked first, and either all of it enters or nothing.
    """
    with explained(Console(stderr=True)):
        from pipeline_lib.labels.ingest import ingest

        ingested = ingest(patch, dataset.expanduser().absolute(), dry=dry_run)
    if as_json:
        click.echo(json.dumps(asdict(ingested)))
    else:
        click.echo("\n".join(_in_words(ingested, dry_run)))


def _in_words(ingested: Ingested, dry: bool) -> list[str]:
    would = "would be " if dry else ""
    lines = [
        f"{would}added to {label}: {count}{' (a new class)' * (label in ingested.new_classes)}"
        for label, count in ingested.added.items()
    ]
    lines += [f"{would}relabelled: {path} is {label}" for path, label in ingested.relabelled.items()]
    lines += [f"already there: {path}" for path in ingested.present]
    return lines
