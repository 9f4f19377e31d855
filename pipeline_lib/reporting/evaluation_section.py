"""The section on the evaluation, from the folder that the evaluate stage has written."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from pipeline_lib.evaluation.examples import read_examples
from pipeline_lib.reporting import figures
from pipeline_lib.reporting.content import ReportContent
from pipeline_lib.reporting.formats import interval, percent
from pipeline_lib.reporting.page import Block, Cell, Image, Images, Section, Table
from pipeline_lib.reporting.pictures import drawn, photograph
from pipeline_lib.reporting.sections import pictures

Metrics = Mapping[str, Any]

_SETS = {
    "test": "test",
    "test_without_leaks": "test without leaks",
    "data_new_test": "data_new/test",
    "data_new_test_without_leaks": "data_new/test without leaks",
}
# Below this many images a class, the reader should know what one image weighs.
_FEW = 20


def read_metrics(folder: Path) -> dict[str, Any]:
    """Return the figures that the evaluate stage has written into a folder."""
    return dict(json.loads((folder / "metrics.json").read_text(encoding="utf-8")))


def evaluation_section(content: ReportContent) -> Section:
    """Return the scores and every table, figure and picture that the evaluation has rows for."""
    blocks: list[Block] = []
    if content.evaluation is not None:
        folder, metrics = content.evaluation, read_metrics(content.evaluation)
        blocks += [*_scores(metrics), *_robustness(metrics), *_calibration(metrics), *_bins(metrics), *_classes(folder)]
        blocks += [*_confusion(folder, metrics), *_examples(folder), *_map(folder), *_mistakes(folder, metrics)]
    return Section("evaluation", "Evaluation", blocks + pictures("evaluation", content.evaluation_pictures))


def _rows(path: Path) -> list[dict[str, str]]:
    """Return a table's rows, none when the evaluation had nothing to write into it."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _share(share: float, low: float | None = None, high: float | None = None) -> Cell:
    return Cell(percent(share), share, low, high, "" if low is None else interval(low, high))


def _scores(metrics: Metrics) -> Iterator[Table]:
    shown = {
        name: metrics[key] for key, name in _SETS.items() if metrics[key] and (metrics["leaked_images"] or "leaks" not in key)
    }
    if not shown:
        return
    shares = {"top1": "top-1", "top5": f"top-{metrics['top_k']}", "bin_accuracy": "right bin"}
    shares = {key: title for key, title in shares.items() if key in next(iter(shown.values()))}
    rows = [
        [Cell(name), *(_share(score[key], score[f"{key}_low"], score[f"{key}_high"]) for key in shares)]
        for name, score in shown.items()
    ]
    yield Table(["", *shares.values()], rows, "Scores", f"With {metrics['confidence']:.0%} Wilson intervals.")
    yield _further_figures(shown)


def _further_figures(shown: Mapping[str, Metrics]) -> Table:
    """Return what the scores have besides shares, in a table of its own: one for all would be too wide for many screens."""
    counts, note = {"images": "images"}, ""
    if any(score["n"] > score["images"] for score in shown.values()):
        counts |= {"n": "rows", "n_effective": "worth"}
        note = (
            "Views of one image tend to be right or wrong together, so the rows are worth fewer independent images: "
            "the column on the right, from which the intervals are computed."
        )
    rows = [
        [
            Cell(name),
            Cell(f"{score['macro_f1']:.3f}"),
            Cell(f"{score['loss']:.3f}"),
            *(Cell(f"{score[key]:,.0f}") for key in counts),
        ]
        for name, score in shown.items()
    ]
    return Table(["", "macro F1", "loss", *counts.values()], rows, "Further figures", note)


def _robustness(metrics: Metrics) -> Iterator[Images]:
    if metrics["robustness"]:
        chart = figures.robustness(metrics["robustness"])
        caption = f"Top-1 with its {metrics['confidence']:.0%} interval on copies of test with that much noise and rotation."
        yield Images(drawn("robustness", chart, "Heat map: accuracy over noise and rotation.", caption), title="Robustness")


def _calibration(metrics: Metrics) -> Iterator[Images]:
    if not metrics["reliability"]:
        return
    note = "How often the network is right (bars) when it is that sure: on the dashed line, as often as it says."
    if metrics["temperature"] == 1:
        diagrams = _reliability("after", f"ECE {percent(metrics['ece'])}", metrics)
    else:
        note += f" Its outputs are divided by a temperature of {metrics['temperature']:.2f}, fitted on validation images."
        diagrams = [
            *_reliability("before", f"Before scaling: ECE {percent(metrics['ece_before'])}", metrics),
            *_reliability("after", f"After scaling: ECE {percent(metrics['ece'])}", metrics),
        ]
    yield Images(diagrams, "half", "Calibration", note)


def _reliability(when: str, title: str, metrics: Metrics) -> list[Image]:
    chart = figures.reliability(metrics["reliability"][when], title)
    return drawn(f"reliability-{when}", chart, f"Reliability diagram. {title}.")


def _bins(metrics: Metrics) -> Iterator[Table]:
    if not metrics["bins"]:
        return
    rows = [
        [
            Cell(row["bin"]),
            _share(row["recall"], row["low"], row["high"]),
            _share(row["precision"]),
            Cell(f"{row['f1']:.3f}"),
            Cell(f"{row['n']:,}"),
        ]
        for row in metrics["bins"]
    ]
    note = (
        "A mistake inside the right bin counts as right. Recall: of what belongs in the bin; precision: of what was put there."
    )
    yield Table(["bin", "recall", "precision", "F1", "images"], rows, "Bins", note)


def _classes(folder: Path) -> Iterator[Table]:
    """Yield the table of classes, the weakest first."""
    scores = [row for row in _rows(folder / "per_class.csv") if int(row["n"])]
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
        f"The weakest first. With {fewest} images a class, one image is {100 / fewest:.0f} points."
        if fewest < _FEW
        else "The weakest first."
    )
    yield Table(["class", *(["bin"] if bins else []), "recall", "precision", "F1", "images"], rows, "Classes", note)


def _confusion(folder: Path, metrics: Metrics) -> Iterator[Block]:
    per_class = _rows(folder / "per_class.csv")
    if not per_class:
        return
    classes, bins = [row["class"] for row in per_class], [row["bin"] for row in per_class]
    with (folder / "confusion.csv").open(encoding="utf-8", newline="") as file:
        counts = np.array([row[1:] for row in list(csv.reader(file))[1:]]).astype(np.int64)
    chart = figures.confusion(counts, classes, bins if any(bins) else None)
    caption = "Rows: the true class. Columns: what the network said. Right in blue, wrong in orange"
    caption += "; mistakes inside a frame end in the right bin." if any(bins) else "."
    yield Images(drawn("confusion", chart, "Confusion matrix.", caption), title="Confusion matrix")
    confused = [[Cell(true), Cell(said), Cell(f"{count:,}")] for true, said, count in metrics["most_confused"] if count > 1]
    if confused:
        yield Table(["true class", "taken for", "images"], confused, "Most frequent mistakes")


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
