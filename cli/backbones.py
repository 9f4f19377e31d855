"""The command ``garbage backbones``: the architectures and the weights that there are for them."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cli.command import explained, json_option

COLUMNS = {
    "architecture": "architecture",
    "weights": "weights",
    "licence": "licence",
    "parameters": "parameters",
    "features": "features",
    "images_per_second": "images/s",
    "trained_on": "trained on",
}
"""What is listed, and its headings."""


@click.command("backbones")
@click.option("--measure", is_flag=True, help="Measure on this machine how many images per second each one takes.")
@json_option
def backbones_command(measure: bool, as_json: bool) -> None:
    """List architectures (backbone.architecture) and their weights (backbone.weights), the defaults first.

    For every architecture there are also random weights, and files with --set backbone.weights=PATH.
    """
    from pipeline_lib.weights.listing import list_backbones

    said = Console(stderr=True)
    with explained(said):
        rows = list_backbones(measure=measure)
    (said if as_json else Console()).print(_table(rows))
    if as_json:
        click.echo(json.dumps({"backbones": rows}))


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table()
    for name in rows[0]:
        table.add_column(COLUMNS[name], justify="right" if isinstance(rows[0][name], int) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(f"{item:,}" if isinstance(item, int) else item for item in row.values()))
    return table
