"""What stage ``evaluate`` shows: figures, tables and pictures, from the folder that it has written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from pipeline_lib.evaluation.examples import read_examples
from pipeline_lib.evaluation.selection import SETS, UNSEEN, WITHOUT_LEAKS, Selection, scored, selections
from pipeline_lib.reporting import figures, judged
from pipeline_lib.reporting.albums import Open, Prediction, photographs_of
from pipeline_lib.reporting.blocks import Block, Images, Results, Shown, settings_of
from pipeline_lib.reporting.headline import cards, findings, top1_in_words
from pipeline_lib.reporting.judged import Judged, rows_of, score_tables
from pipeline_lib.reporting.opening import opening
from pipeline_lib.reporting.pictures import drawn, photograph
from pipeline_lib.stages.result import Ref
from pipeline_lib.views.view import CLEAN

Metrics = Mapping[str, Any]


def show(results: Results, dataset: Ref | None = None) -> Shown:
    """Show the scores and every table, figure and picture that the evaluation has rows for.

    Figures on sources never seen come first. Once test images leak, each figure on test without them comes before the one on
    test as delivered. ``dataset`` is what the photographs are of; without it confusion matrices show none.
    """
    (ref,) = results.values()
    metrics = json.loads((ref.folder / "metrics.json").read_text(encoding="utf-8"))
    return Shown(
        "Evaluation",
        top1_in_words(metrics),
        opening=opening(metrics),
        cards=cards(metrics),
        findings=findings(metrics),
        blocks=evaluation_blocks(ref.folder, metrics, photographs_of(dataset) if dataset else None),
        settings=settings_of(results),
    )


def evaluation_blocks(folder: Path, metrics: Metrics, open_image: Open | None = None) -> list[Block]:
    """Return the tables, figures and pictures of an evaluation, from its ``metrics.json`` and the folder that it is in."""
    sets = selections(metrics)
    judged_sets = [_judged(folder, metrics, each, open_image) for each in sets]
    blocks: list[Block] = [*score_tables(_scores(metrics, scored(metrics)), metrics)]
    blocks += [block for each in sets for block in _robustness(metrics, each)]
    for part in (judged.calibration, judged.bins, judged.classes, judged.confusion):
        blocks += [block for each in judged_sets for block in part(each)]
    return [*blocks, *_examples(folder), *_map(folder), *_mistakes(folder, metrics)]


def _scores(metrics: Metrics, sets: list[Selection]) -> dict[str, Metrics]:
    """Return the figures of every set that has some by what it is called: those on sources never seen first."""
    named = {name: metrics.get(key) for key, name in UNSEEN.items()}
    named |= {f"{name}{each.words}": metrics[f"{key}{each.suffix}"] for key, name in SETS.items() for each in sets}
    return {name: score for name, score in named.items() if score}


def _judged(folder: Path, metrics: Metrics, each: Selection, open_image: Open | None) -> Judged:
    temperature = metrics["temperature"]
    scaling = f"Its outputs are divided by a temperature of {temperature:.2f}, fitted on held-out images of train."
    return Judged(
        folder,
        metrics[f"test{each.suffix}"],
        each.suffix,
        each.anchor,
        each.words,
        scaling if temperature != 1 else "",
        f"Without a test image{' that does not leak' if each.suffix else ''}",
        [*_predictions(folder, without_leaks=each.suffix == WITHOUT_LEAKS)],
        open_image,
    )


def _predictions(folder: Path, *, without_leaks: bool) -> Iterator[Prediction]:
    """Yield what was said about the clean view of each photograph."""
    ids = {row["class"]: number for number, row in enumerate(rows_of(folder / "per_class.csv"))}
    for row in rows_of(folder / "predictions.csv"):
        if row["view"] == CLEAN.name and not (without_leaks and row["leaked"] == "1"):
            yield Prediction(row["image"], ids[row["class"]], ids[row["predicted"]], float(row["confidence"]))


def _robustness(metrics: Metrics, each: Selection) -> Iterator[Images]:
    if cells := metrics[f"robustness{each.suffix}"]:
        chart = figures.robustness(cells)
        caption = f"Top-1 with its {metrics['confidence']:.0%} interval on copies of test with that much noise and rotation."
        alt = f"Heat map: accuracy over noise and rotation{each.words}."
        yield Images(drawn(f"robustness{each.anchor}", chart, alt, caption), title=f"Robustness{each.words}")


def _examples(folder: Path) -> Iterator[Images]:
    rows = []
    for row in read_examples(folder):
        with PillowImage.open(folder / row["picture"]) as picture:
            picture.load()
        rows.append(figures.Example(picture, row["class"], row["logits"], row["probabilities"]))
    chart = figures.examples(rows, [row["class"] for row in rows_of(folder / "per_class.csv")])
    if chart:
        caption = (
            "The first test image of each class, its raw scores and their softmax, before any temperature. "
            "Blue: the true class; orange: what the network says instead."
        )
        alt = "For one image of each class: bars of raw scores and of probabilities."
        yield Images(drawn("examples", chart, alt, caption), title="One image of each class")


def _map(folder: Path) -> Iterator[Images]:
    rows = rows_of(folder / "tsne.csv")
    if rows:
        points = np.array([[float(row["x"]), float(row["y"])] for row in rows])
        chart = figures.projection(points, [row["class"] for row in rows], [row["predicted"] for row in rows])
        caption = (
            "Images with similar outputs lie close together (t-SNE; distances between groups mean little). "
            "Colour and shape: the true class; hollow: the network was wrong."
        )
        yield Images(
            drawn("map", chart, "Map of the network's outputs, coloured by class.", caption), title="Map of the outputs"
        )


def _mistakes(folder: Path, metrics: Metrics) -> Iterator[Images]:
    if not metrics["mistakes"]:
        return
    gallery = [
        photograph(
            Path(mistake["picture"]).with_suffix("").as_posix().replace("/", "-"),
            folder / mistake["picture"],
            mistake["image"],
            heading=mistake["class"],
            caption=f"taken for {mistake['predicted']}, {mistake['confidence']:.0%} sure",
            tag="also in train" if mistake["leaked"] else "",
        )
        for mistake in metrics["mistakes"]
    ]
    yield Images(gallery, "gallery", "Most confident mistakes", "Wrong, and sure of it: the test images to look at first.")
