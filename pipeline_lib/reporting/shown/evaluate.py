"""What stage ``evaluate`` shows: figures, tables and pictures, from the folder that it has written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from pipeline_lib.evaluation.examples import read_examples
from pipeline_lib.evaluation.scores import FIGURES, Figure
from pipeline_lib.evaluation.selection import SETS, Selection, scored, selections
from pipeline_lib.files.table import read_table
from pipeline_lib.reporting import figures
from pipeline_lib.reporting.blocks import Block, Cell, Image, Images, Results, Shown, Table, settings_of
from pipeline_lib.reporting.formats import NOTHING, interval, percent
from pipeline_lib.reporting.headline import cards, findings, top1_in_words
from pipeline_lib.reporting.pictures import drawn, photograph

Metrics = Mapping[str, Any]

# Below this many images per class, the reader should know what one image weighs.
_FEW = 20


def show(results: Results) -> Shown:
    """Show the scores and every table, figure and picture that the evaluation has rows for.

    Once test images leak, each figure on test without them comes first, and the one on test as delivered after it.
    """
    (ref,) = results.values()
    metrics = json.loads((ref.folder / "metrics.json").read_text(encoding="utf-8"))
    return Shown(
        "Evaluation",
        top1_in_words(metrics),
        cards=cards(metrics),
        findings=findings(metrics),
        blocks=evaluation_blocks(ref.folder, metrics),
        settings=settings_of(results),
    )


def evaluation_blocks(folder: Path, metrics: Metrics) -> list[Block]:
    """Return the tables, figures and pictures of an evaluation, from its ``metrics.json`` and the folder that it is in."""
    sets = selections(metrics)
    blocks: list[Block] = [*_scores(metrics, scored(metrics))]
    for part in (_robustness, _calibration, _bins, _classes, _confusion):
        blocks += [block for each in sets for block in part(folder, metrics, each)]
    return [*blocks, *_examples(folder), *_map(folder), *_mistakes(folder, metrics)]


def _rows(path: Path) -> list[dict[str, str]]:
    """Return a table's rows, none when the evaluation had nothing to write into it."""
    return read_table(path) if path.exists() else []


def _share(share: float, low: float | None = None, high: float | None = None) -> Cell:
    return Cell(percent(share), share, low, high, "" if low is None else interval(low, high))


def _scores(metrics: Metrics, sets: Sequence[Selection]) -> Iterator[Table]:
    """Yield the figures of every set, in tables that are narrow enough for a small screen."""
    judged = {
        f"{name}{each.words}": score for key, name in SETS.items() for each in sets if (score := metrics[f"{key}{each.suffix}"])
    }
    for title in dict.fromkeys(figure.table for figure in FIGURES):
        columns = [figure for figure in FIGURES if figure.table == title and _says_something(figure, judged.values())]
        shown = {name: score for name, score in judged.items() if any(figure.key in score for figure in columns)}
        if shown:
            rows = [[Cell(name), *(_figure(figure, score) for figure in columns)] for name, score in shown.items()]
            note = " ".join(figure.note for figure in columns if figure.note)
            headings = [figure.title.format(**metrics) for figure in columns]
            yield Table(["", *headings], rows, title, note.format(**metrics), "figures")


def _says_something(figure: Figure, scores: Iterable[Metrics]) -> bool:
    """Whether some set has the figure, and not only as a repetition of the one that it is beside."""
    return any(figure.key in score and score[figure.key] != score.get(figure.beside) for score in scores)


def _figure(figure: Figure, score: Metrics) -> Cell:
    if f"{figure.key}_low" in score:
        return _share(score[figure.key], score[f"{figure.key}_low"], score[f"{figure.key}_high"])
    return Cell(figure.text.format(score[figure.key]) if figure.key in score else NOTHING)


def _robustness(folder: Path, metrics: Metrics, each: Selection) -> Iterator[Images]:
    if cells := metrics[f"robustness{each.suffix}"]:
        chart = figures.robustness(cells)
        caption = f"Top-1 with its {metrics['confidence']:.0%} interval on copies of test with that much noise and rotation."
        alt = f"Heat map: accuracy over noise and rotation{each.words}."
        yield Images(drawn(f"robustness{each.anchor}", chart, alt, caption), title=f"Robustness{each.words}")


def _calibration(folder: Path, metrics: Metrics, each: Selection) -> Iterator[Images]:
    test, temperature = metrics[f"test{each.suffix}"], metrics["temperature"]
    if not test:
        return
    note = "How often the network is right (bars) when it is that sure: on the dashed line, as often as it says."
    note += f" On {test['images']:,} images a network that is exactly as sure as it is right would show an ECE of "
    note += f"{percent(test['ece_of_chance'])} on average, by chance."
    titles = {"after": f"ECE {percent(test['ece'])}"}
    if temperature != 1:
        note += f" Its outputs are divided by a temperature of {temperature:.2f}, fitted on held-out images of train."
        titles = {
            "before": f"Before scaling: ECE {percent(test['ece_before'])}",
            "after": f"After scaling: ECE {percent(test['ece'])}",
        }
    diagrams = [image for when, title in titles.items() for image in _reliability(test, when, title, each)]
    yield Images(diagrams, "half", f"Calibration{each.words}", note)


def _reliability(test: Metrics, when: str, title: str, each: Selection) -> list[Image]:
    chart = figures.reliability(test["reliability"][when], title)
    return drawn(f"reliability{each.anchor}-{when}", chart, f"Reliability diagram{each.words}. {title}.")


def _bins(folder: Path, metrics: Metrics, each: Selection) -> Iterator[Table]:
    test = metrics[f"test{each.suffix}"]
    if not test or not test["bins"]:
        return
    rows = [
        [
            Cell(row["bin"]),
            _share(row["recall"], row["low"], row["high"]),
            _share(row["precision"]),
            Cell(f"{row['f1']:.3f}"),
            Cell(f"{row['n']:,}"),
        ]
        for row in test["bins"]
        if row["n"]
    ]
    note = (
        "A mistake inside the right bin counts as right. Recall: of what belongs in the bin; precision: of what was put there."
    )
    yield Table(["bin", "recall", "precision", "F1", "images"], rows, f"Bins{each.words}", note)


def _classes(folder: Path, metrics: Metrics, each: Selection) -> Iterator[Table]:
    """Yield the table of classes, the weakest first."""
    listed = _rows(folder / f"per_class{each.suffix}.csv")
    scores = [row for row in listed if int(row["n"])]
    if not scores:
        return
    scores.sort(key=lambda row: (float(row["recall"]), float(row["precision"]), row["class"]))
    bins = any(row["bin"] for row in scores)
    rows = [
        [
            Cell(row["class"]),
            *([Cell(row["bin"])] if bins else []),
            _share(float(row["recall"])),
            _share(float(row["precision"])),
            Cell(f"{float(row['f1']):.3f}"),
            Cell(f"{int(row['n']):,}"),
        ]
        for row in scores
    ]
    fewest = min(int(row["n"]) for row in scores)
    note = (
        f"The weakest first. With {fewest} images per class, one image is {100 / fewest:.0f} points."
        if fewest < _FEW
        else "The weakest first."
    )
    if gone := [row["class"] for row in listed if not int(row["n"])]:
        note += f" Without a test image{' that does not leak' if each.suffix else ''}: {', '.join(gone)}."
    columns = ["class", *(["bin"] if bins else []), "recall", "precision", "F1", "images"]
    yield Table(columns, rows, f"Classes{each.words}", note)


def _confusion(folder: Path, metrics: Metrics, each: Selection) -> Iterator[Block]:
    per_class = _rows(folder / f"per_class{each.suffix}.csv")
    if not per_class:
        return
    classes, bins = [row["class"] for row in per_class], [row["bin"] for row in per_class]
    counts = np.array([[*row.values()][1:] for row in read_table(folder / f"confusion{each.suffix}.csv")]).astype(np.int64)
    chart = figures.confusion(counts, classes, bins if any(bins) else None)
    caption = "Rows: the true class. Columns: what the network said. Right in blue, wrong in orange"
    caption += "; mistakes inside a frame end in the right bin." if any(bins) else "."
    title = f"Confusion matrix{each.words}"
    yield Images(drawn(f"confusion{each.anchor}", chart, f"{title}.", caption), title=title)
    most = metrics[f"test{each.suffix}"]["most_confused"]
    confused = [[Cell(true), Cell(said), Cell(f"{count:,}")] for true, said, count in most if count > 1]
    if confused:
        yield Table(["true class", "taken for", "images"], confused, f"Most frequent mistakes{each.words}")


def _examples(folder: Path) -> Iterator[Images]:
    rows = []
    for row in read_examples(folder):
        with PillowImage.open(folder / row["picture"]) as picture:
            picture.load()
        rows.append(figures.Example(picture, row["class"], row["logits"], row["probabilities"]))
    chart = figures.examples(rows, [row["class"] for row in _rows(folder / "per_class.csv")])
    if chart:
        caption = (
            "The first test image of each class, its raw scores and their softmax, before any temperature. "
            "Blue: the true class; orange: what the network says instead."
        )
        alt = "For one image of each class: bars of raw scores and of probabilities."
        yield Images(drawn("examples", chart, alt, caption), title="One image of each class")


def _map(folder: Path) -> Iterator[Images]:
    rows = _rows(folder / "tsne.csv")
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
