"""What is shown of photographs that were judged, whoever judged them: tables and pictures of one set of them, or of several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_lib.evaluation.scores import FIGURES, Figure
from pipeline_lib.files.table import read_table
from pipeline_lib.reporting import figures
from pipeline_lib.reporting.albums import MOST_CLASSES, Open, Prediction, confusion_piles, small_pictures
from pipeline_lib.reporting.blocks import Album, Block, Cell, Image, Images, Role, Table
from pipeline_lib.reporting.formats import NOTHING, interval, percent
from pipeline_lib.reporting.pictures import drawn

Metrics = Mapping[str, Any]

# Below this many images per class, the reader should know what one image weighs.
_FEW = 20


@dataclass(frozen=True)
class Judged:
    """One set of photographs, as far as their clean views were judged.

    Attributes:
        folder: Where the tables are.
        scores: Its figures, see ``judge`` in ``pipeline_lib.evaluation.scores``; None without photographs.
        suffix: What follows the names of its tables.
        anchor: What follows the names of its pictures, which are distinct in a report.
        words: What follows its titles, such as `` without leaks``; empty where there is one set alone.
        scaling: A sentence on what its outputs are divided by; empty where they are not.
        gone: What is said before the names of classes that have no photograph in it.
        predictions: What was said about each photograph; classes are numbered as in its tables.
        open_image: Opens a photograph by its key; None if the photographs are not at hand.
    """

    folder: Path
    scores: Metrics | None
    suffix: str
    anchor: str
    words: str
    scaling: str
    gone: str
    predictions: Sequence[Prediction] = ()
    open_image: Open | None = None


def score_tables(judged: Mapping[str, Metrics], values: Metrics, role: Role = "figures") -> Iterator[Table]:
    """Yield the figures of sets by name, in tables that are narrow enough for a small screen.

    Args:
        judged: The figures of each set by its name, of sets that have any.
        values: What the titles and notes of figures name: ``confidence`` and ``top_k``.
        role: See ``Role``.
    """
    for title in dict.fromkeys(figure.table for figure in FIGURES):
        columns = [figure for figure in FIGURES if figure.table == title and _says_something(figure, judged.values())]
        shown = {name: score for name, score in judged.items() if any(figure.key in score for figure in columns)}
        if shown:
            rows = [[Cell(name), *(_figure(figure, score) for figure in columns)] for name, score in shown.items()]
            note = " ".join(figure.note for figure in columns if figure.note)
            headings = [figure.title.format(**values) for figure in columns]
            yield Table(["", *headings], rows, title, note.format(**values), role)


def _says_something(figure: Figure, scores: Iterable[Metrics]) -> bool:
    """Whether some set has the figure, and not only as a repetition of the one that it is beside."""
    return any(figure.key in score and score[figure.key] != score.get(figure.beside) for score in scores)


def _figure(figure: Figure, score: Metrics) -> Cell:
    if f"{figure.key}_low" in score:
        return _share(score[figure.key], score[f"{figure.key}_low"], score[f"{figure.key}_high"])
    return Cell(figure.text.format(score[figure.key]) if figure.key in score else NOTHING)


def calibration(each: Judged) -> Iterator[Images]:
    """Yield the reliability diagrams, before and after scaling if there was any."""
    test = each.scores
    if not test:
        return
    note = "How often the network is right (bars) when it is that sure: on the dashed line, as often as it says."
    note += f" On {test['images']:,} images a network that is exactly as sure as it is right would show an ECE of "
    note += f"{percent(test['ece_of_chance'])} on average, by chance."
    titles = {"after": f"ECE {percent(test['ece'])}"}
    if each.scaling:
        note += f" {each.scaling}"
        titles = {
            "before": f"Before scaling: ECE {percent(test['ece_before'])}",
            "after": f"After scaling: ECE {percent(test['ece'])}",
        }
    diagrams = [image for when, title in titles.items() for image in _reliability(test, when, title, each)]
    yield Images(diagrams, "half", f"Calibration{each.words}", note)


def _reliability(test: Metrics, when: str, title: str, each: Judged) -> list[Image]:
    chart = figures.reliability(test["reliability"][when], title)
    return drawn(f"reliability{each.anchor}-{when}", chart, f"Reliability diagram{each.words}. {title}.")


def bins(each: Judged) -> Iterator[Table]:
    """Yield the table of bins, if the classes have any."""
    test = each.scores
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


def classes(each: Judged) -> Iterator[Table]:
    """Yield the table of classes, the weakest first."""
    listed = rows_of(each.folder / f"per_class{each.suffix}.csv")
    scores = [row for row in listed if int(row["n"])]
    if not scores:
        return
    scores.sort(key=lambda row: (float(row["recall"]), float(row["precision"]), row["class"]))
    with_bins = any(row["bin"] for row in scores)
    rows = [
        [
            Cell(row["class"]),
            *([Cell(row["bin"])] if with_bins else []),
            _share(float(row["recall"])),
            _share(float(row["precision"])),
            Cell(f"{float(row['f1']):.3f}"),
            Cell(f"{int(row['n']):,}"),
        ]
        for row in scores
    ]
    fewest = min(int(row["n"]) for row in scores)
    note = (
        f"The weakest first. With {fewest} image{'s' * (fewest > 1)} per class, one image is {100 / fewest:.0f} points."
        if fewest < _FEW
        else "The weakest first."
    )
    if gone := [row["class"] for row in listed if not int(row["n"])]:
        note += f" {each.gone}: {', '.join(gone)}."
    columns = ["class", *(["bin"] if with_bins else []), "recall", "precision", "F1", "images"]
    yield Table(columns, rows, f"Classes{each.words}", note)


def confusion(each: Judged) -> Iterator[Block]:
    """Yield the confusion matrix, and its most frequent mistakes."""
    per_class = rows_of(each.folder / f"per_class{each.suffix}.csv")
    if not per_class or not each.scores:
        return
    names, bins_of = [row["class"] for row in per_class], [row["bin"] for row in per_class]
    table = read_table(each.folder / f"confusion{each.suffix}.csv")
    counts = np.array([[row[name] for name in names] for row in table]).astype(np.int64)
    drawing = figures.confusion(counts, names, bins_of if any(bins_of) else None)
    caption = "Rows: the true class. Columns: what the network said. Right in blue, wrong in orange"
    title = f"Confusion matrix{each.words}"
    framed = "; mistakes inside a frame end in the right bin" if any(bins_of) else ""
    (chart,) = drawn(f"confusion{each.anchor}", drawing, f"{title}.", f"{caption}{framed}.")
    if each.open_image and len(names) <= MOST_CLASSES:
        grey = "; mistakes on a grey ground end in the right bin" if any(bins_of) else ""
        yield _album(each, names, bins_of, chart, title, f"{caption}{grey}. A click on a number shows the photographs.")
    else:
        yield Images([chart], title=title)
    most = each.scores["most_confused"]
    confused = [[Cell(true), Cell(said), Cell(f"{count:,}")] for true, said, count in most if count > 1]
    if confused:
        yield Table(["true class", "taken for", "images"], confused, f"Most frequent mistakes{each.words}")


def _album(each: Judged, names: Sequence[str], bins_of: Sequence[str], chart: Image, title: str, note: str) -> Album:
    """Return the confusion matrix with its photographs; classes of one bin are placed together."""
    assert each.open_image is not None  # noqa: S101  # for the type checker
    order = sorted(range(len(names)), key=lambda index: (bins_of[index], index))
    place = {label: number for number, label in enumerate(order)}
    placed = [said._replace(true=place[said.true], said=place[said.said]) for said in each.predictions]
    ordered = [names[label] for label in order]
    piles = confusion_piles(placed, ordered)
    pictures = small_pictures((said.key for said in placed), piles, each.open_image)
    groups = [bins_of[label] for label in order] if any(bins_of) else []
    return Album(f"confusion{each.anchor}", piles, pictures, ordered, groups, chart, title=title, note=note)


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return a table's rows, none when there was nothing to write into it."""
    return read_table(path) if path.exists() else []


def _share(share: float, low: float | None = None, high: float | None = None) -> Cell:
    return Cell(percent(share), share, low, high, "" if low is None else interval(low, high))
