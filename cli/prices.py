"""The command ``garbage prices``: what more photographs of each class would gain, and how earlier forecasts came true."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.command import artifacts_option, explained, json_option, use_artifacts
from flows.table import DEFAULT

if TYPE_CHECKING:
    from pipeline_lib.causes.material import Material
    from pipeline_lib.prices.forecasts import Price, Score
    from pipeline_lib.stages.history import Used


@click.command("prices")
@click.option("--dataset", required=True, metavar="NAME|PATH", help="Name or PATH of the dataset; its last run counts.")
@click.option("--more", default=20, show_default=True, type=click.IntRange(min=1), help="Photographs that a class gets.")
@json_option
@artifacts_option
def prices_command(dataset: str, more: int, as_json: bool, artifacts: Path | None) -> None:
    """Say for each class what more photographs of it would gain, in points of its top-1 on sources never seen.

    Heads are trained on subsets of the photographs that the last run on the dataset has used, on the features that it has
    stored; that takes some minutes. What is forecast is kept, and scored when the command is given again after photographs have
    come and a run has used them.
    """
    use_artifacts(artifacts)
    from pipeline_lib.causes.material import read_material
    from pipeline_lib.prices.forecasts import keep_forecast, read_forecasts, scores
    from pipeline_lib.stages.history import read_history
    from pipeline_lib.stages.latest import slot_of
    from pipeline_lib.stages.store import Store

    messages = Console(stderr=True)
    with explained(messages, lambda error: {"error": error} if as_json else None):
        root = Store().root
        used, name = _last_run(read_history(root), dataset)
        material, slot = read_material(root, used), slot_of(DEFAULT.name, name)
        right = _right(root, used, material)
        earlier = [each for each in read_forecasts(root, slot) if each.run != used.run]
        with messages.status("training") as status:
            prices = _prices(material, right, lambda done, total, text: status.update(f"{done} of {total} {text}"))
        keep_forecast(root, slot, used.run, prices)
        sources = {digest: material.sources[keys[0]] for digest, keys in material.keys.items()}
        scored = scores(earlier[-1], prices, sources) if earlier else []
    console = messages if as_json else Console()
    console.print(_table(prices, more))
    if scored:
        console.print(_scores(scored))
    if as_json:
        listed = {name: _plain(price, more) for name, price in prices.items()}
        judged = [{**each.model_dump(), "agrees": each.agrees} for each in scored]
        click.echo(json.dumps({"run": used.run, "more": more, "classes": listed, "scores": judged}, ensure_ascii=False))


def _last_run(history: Sequence[Used], dataset: str) -> tuple[Used, str]:
    from pipeline_lib.errors import PipelineError
    from pipeline_lib.stages.latest import file_name, names_of

    wanted = names_of(dataset)
    for used in history:
        flow, _, name = used.slot.partition("/")
        if flow == DEFAULT.name and file_name(name) in wanted:
            return used, name
    raise PipelineError(f"There is no record of a run of {DEFAULT.name} on {dataset}; garbage run starts one.")


def _right(root: Path, used: Used, material: Material) -> dict[str, bool]:
    """Return whether a run's model was right out of fold, clean views, by the digest of each photograph of train."""
    from pipeline_lib.causes.material import results_of
    from pipeline_lib.errors import PipelineError
    from pipeline_lib.evaluation.out_of_fold import read_out_of_fold

    judged = list(results_of(root, used).get("cross_validate", {}))
    if len(judged) != 1:
        raise PipelineError(f"The cross-validation of run {used.run[:8]} is gone; run its settings again, then ask once more.")
    clean = read_out_of_fold(judged[0], material.classes).predictions.clean
    right = dict(zip(clean.images.tolist(), (clean.predicted == clean.labels).tolist(), strict=True))
    return {digest: right[keys[0]] for digest, keys in material.keys.items() if keys[0] in right}


def _prices(material: Material, right: Mapping[str, bool], progress: Any) -> dict[str, Price]:
    from pipeline_lib.prices.forecasts import Price
    from pipeline_lib.prices.learning import measure, slope_of

    trials = measure(
        material.table,
        material.classes,
        material.sources,
        material.settings,
        material.epochs,
        material.seed,
        progress=progress,
    )
    prices = {}
    for label, name in enumerate(material.classes):
        own = {digest: keys for digest, keys in material.keys.items() if keys[0].split("/")[1] == name}
        known = {digest: right[digest] for digest in own if digest in right}
        top1 = sum(known.values()) / len(known) if known else 0.0
        photographs = sum(len(keys) for keys in own.values())
        prices[name] = Price(photographs=photographs, top1=top1, slope=slope_of(trials, label), right=known)
    return prices


def _table(prices: Mapping[str, Price], more: int) -> Table:
    """Return the price list, the class that gains most first."""
    caption = (
        f"Points of a class's own top-1 on sources never seen, for {more} more photographs like those that are there. What "
        "other classes lose to it is not counted."
    )
    table = Table(caption=caption, caption_justify="left")
    for heading in ("class", "photographs", "top-1 now", f"{more} more", "interval"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    gains = {name: price.slope.gain(price.photographs, more, price.top1) for name, price in prices.items() if price.slope}
    for name, price in sorted(prices.items(), key=lambda item: -gains[item[0]].value if item[0] in gains else 1.0):
        gain = gains.get(name)
        cells = (
            (f"{100 * gain.value:+.1f}", f"[{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]") if gain else ("", "not measured")
        )
        table.add_row(Text(name), f"{price.photographs:,}", f"{100 * price.top1:.1f}%", *cells)
    return table


def _scores(scored: Sequence[Score]) -> Table:
    """Return what the last forecast said of the classes that photographs have come to, and what became of it."""
    agree = sum(each.agrees for each in scored)
    table = Table(title="The last forecast", title_justify="left", title_style="bold", caption_justify="left")
    table.caption = f"{agree} of {len(scored)} agree: the intervals meet."
    for heading in ("class", "came", "forecast", "interval", "gained", "interval"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for each in scored:
        forecast = f"[{100 * each.low:+.1f}, {100 * each.high:+.1f}]"
        gained = f"[{100 * each.low_gained:+.1f}, {100 * each.high_gained:+.1f}]"
        points = f"{100 * each.forecast:+.1f}", forecast, f"{100 * each.gained:+.1f}", gained
        table.add_row(Text(each.name), f"{each.arrived:,}", *points)
    return table


def _plain(price: Price, more: int) -> dict[str, Any]:
    gain = price.slope.gain(price.photographs, more, price.top1)._asdict() if price.slope else None
    return {"photographs": price.photographs, "top1": price.top1, "gain": gain}
