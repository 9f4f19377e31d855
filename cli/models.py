"""The commands about champions: ``garbage models``, ``promote``, ``rollback`` and ``compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.command import artifacts_option, explained, flow_option, json_option, use_artifacts
from flows.table import FLOWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline_lib.evaluation.side_by_side import SideBySide
    from pipeline_lib.stages.models import Change, KeptModel

_SHOWN = 8
"""Letters of a key in a table: enough to tell models apart, and to name one."""

_dataset_option = click.option(
    "--dataset", metavar="NAME|PATH", help="Name or PATH of the dataset, where the key alone is not enough."
)


@click.command("models")
@click.option("--flow", type=click.Choice(list(FLOWS)), help="The models of one flow alone.")
@click.option("--dataset", metavar="NAME|PATH", help="The models of one dataset alone, by its name or PATH.")
@json_option
@artifacts_option
def models_command(flow: str | None, dataset: str | None, as_json: bool, artifacts: Path | None) -> None:
    """List the trained models that are kept, newest first: which one is the champion, their figures, what was decided."""
    use_artifacts(artifacts)
    from pipeline_lib.stages.latest import names_of
    from pipeline_lib.stages.models import kept_models
    from pipeline_lib.stages.store import Store

    messages = Console(stderr=True)
    with explained(messages):
        names = names_of(dataset) if dataset is not None else None
        listed = [
            model
            for model in kept_models(Store().root)
            if flow in (None, model.slot.partition("/")[0]) and (names is None or model.slot.partition("/")[2] in names)
        ]
    shown = [_table(listed, slot) for slot in dict.fromkeys(model.slot for model in listed)]
    for table in shown:
        (messages if as_json else Console()).print(table)
    if not shown:
        messages.print("There is no such model; garbage run trains one.", highlight=False)
    if as_json:
        click.echo(json.dumps({"models": [_plain(model) for model in listed]}, ensure_ascii=False))


@click.command("promote")
@click.argument("key")
@flow_option
@_dataset_option
@json_option
@artifacts_option
def promote_command(key: str, flow: str, dataset: str | None, as_json: bool, artifacts: Path | None) -> None:
    """Make the model whose key begins with KEY the champion of its dataset, whatever was decided about it."""
    use_artifacts(artifacts)
    from pipeline_lib.stages.models import appoint_by_hand
    from pipeline_lib.stages.store import Store

    with explained(Console(stderr=True)):
        _tell(appoint_by_hand(Store(), key, flow, dataset), as_json)


@click.command("rollback")
@flow_option
@_dataset_option
@json_option
@artifacts_option
def rollback_command(flow: str, dataset: str | None, as_json: bool, artifacts: Path | None) -> None:
    """Make the champion's predecessor the champion again. The model that is taken back is not promoted again by a run."""
    use_artifacts(artifacts)
    from pipeline_lib.stages.models import go_back
    from pipeline_lib.stages.store import Store

    with explained(Console(stderr=True)):
        _tell(go_back(Store(), flow, dataset), as_json)


@click.command("compare")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@flow_option
@_dataset_option
@click.option("--html", "page", metavar="FOLDER", type=click.Path(path_type=Path), help="Write a page with pictures there.")
@json_option
@artifacts_option
def compare_command(
    first: str, second: str, flow: str, dataset: str | None, page: Path | None, as_json: bool, artifacts: Path | None
) -> None:
    """Compare two kept models out of fold, on the photographs of train that both know: B less A, with intervals by source.

    A and B are keys of models as garbage models lists them, ids of runs as garbage runs lists them, or beginnings of either; or
    folders of models. Labels and sources are those of B.
    """
    use_artifacts(artifacts)
    from pipeline_lib.evaluation.side_by_side import compare_candidates
    from pipeline_lib.stages.models import find_model, key_of
    from pipeline_lib.stages.store import Store

    messages = Console(stderr=True)
    with explained(messages):
        root = Store().root
        (one, a), (other, b) = (find_model(root, key_of(root, name), flow, dataset) for name in (first, second))
        compared = compare_candidates(a, b)
        result = {"a": one.key, "b": other.key, **compared.plain()}
        if page:
            result["html"] = str(_page(page, one, other, compared))
    for table in _comparison(result):
        (messages if as_json else Console()).print(table)
    if page:
        messages.print(f"The page is {result['html']}", highlight=False, soft_wrap=True)
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False))


def _page(folder: Path, first: KeptModel, second: KeptModel, compared: SideBySide) -> Path:
    """Write the page of a comparison; PipelineError if the folder is in use, or the photographs are gone."""
    from pipeline_lib.errors import PipelineError
    from pipeline_lib.images.read import read_image
    from pipeline_lib.reporting.pages.compared import write_comparison
    from pipeline_lib.stages.models import dataset_of
    from pipeline_lib.stages.store import Store

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PipelineError(f"{folder} is already in use; name a folder that is not there yet")
    photographs = dataset_of(Store().root, second)
    about = {
        name: f"{model.key[:_SHOWN]}, trained on {model.trained:%Y-%m-%d %H:%M}"
        for name, model in (("A", first), ("B", second))
    }
    title = f"Two models of {second.slot.partition('/')[2]}"
    return write_comparison(folder, title, about, compared, lambda image: read_image(photographs / image))


def _tell(change: Change, as_json: bool) -> None:
    flow, _, dataset = change.slot.partition("/")
    answer = {"flow": flow, "dataset": dataset, "champion": change.champion, "replaced": change.replaced}
    click.echo(json.dumps(answer, ensure_ascii=False) if as_json else change.in_words)


def _table(models: Sequence[KeptModel], slot: str) -> Table:
    from pipeline_lib.reporting.formats import percent

    flow, _, dataset = slot.partition("/")
    caption = "Top-1 on sources never seen, and on test without leaks."
    title = Text(f"{flow} on {dataset}")
    table = Table(title=title, title_justify="left", title_style="bold", caption=caption, caption_justify="left")
    for heading in ("alias", "trained", "unseen", "test", "decision", "key"):
        table.add_column(heading, justify="right" if heading in ("unseen", "test") else "left")
    for model in models:
        if model.slot == slot:
            figures = (percent(model.figures.get(name)) for name in ("unseen", "test"))
            table.add_row(model.alias, f"{model.trained:%Y-%m-%d %H:%M}", *figures, model.decision, model.key[:_SHOWN])
    return table


def _plain(model: KeptModel) -> dict[str, Any]:
    flow, _, dataset = model.slot.partition("/")
    about = {"key": model.key, "alias": model.alias, "flow": flow, "dataset": dataset, "folder": str(model.folder)}
    return {**about, "trained": model.trained.isoformat(), "figures": dict(model.figures), "decision": model.decision}


def _comparison(result: dict[str, Any]) -> list[Table]:
    from pipeline_lib.reporting.formats import percent, signed

    title = f"{result['photographs']:,} photographs of train, {result['sources']:,} sources, out of fold"
    tested = result["tested"]
    caption = (
        f"B is better about {tested['better']:,} sources, worse about {tested['worse']:,}, clean views: p = {tested['p']:.2g}"
    )
    names = (f"A {result['a'][:_SHOWN]}", f"B {result['b'][:_SHOWN]}")
    figures = Table(
        "", *names, "B less A", "interval", title=title, title_justify="left", caption=caption, caption_justify="left"
    )
    for name, row in result["figures"].items():
        ends = f"{signed(row['low'])} to {signed(row['high'])}"
        figures.add_row(name, percent(row["champion"]), percent(row["challenger"]), signed(row["difference"]), ends)
    classes = Table("class", "images", "A", "B", "B less A", "p of the loss", title="Classes", title_justify="left")
    for each in result["classes"]:
        shares = (percent(each["champion"]), percent(each["challenger"]), signed(each["challenger"] - each["champion"]))
        classes.add_row(Text(each["name"]), f"{each['images']:,}", *shares, f"{each['p']:.2g}")
    return [figures, classes]
