"""What stage ``cross_validate`` shows: figures on sources never seen, and what they are about."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_lib.evaluation.coverage import coverage
from pipeline_lib.evaluation.cross_validation import PARTS
from pipeline_lib.evaluation.out_of_fold import read_out_of_fold
from pipeline_lib.evaluation.reliability import probabilities
from pipeline_lib.evaluation.selection import UNSEEN
from pipeline_lib.evaluation.sure import SURE
from pipeline_lib.reporting import figures, judged
from pipeline_lib.reporting.albums import Prediction, photographs_of
from pipeline_lib.reporting.blocks import Block, Facts, Images, Results, Shown, facts, settings_of
from pipeline_lib.reporting.formats import percent
from pipeline_lib.reporting.judged import Judged, score_tables
from pipeline_lib.reporting.pictures import drawn
from pipeline_lib.stages.result import Ref

Metrics = Mapping[str, Any]

HOW = (
    "Train and test are cut into folds by source. Each photograph is judged by a head that was trained, as the one that is "
    "shipped, on the other folds: it has seen neither the photograph nor another one of its source."
)
WANTED = 0.95
"""Share of right answers that the report names a coverage for."""

SCALING = "The outputs of each fold are divided by a temperature that was fitted on the other folds."


def show(results: Results, dataset: Ref | None = None) -> Shown:
    """Show the scores of all photographs, of those of train and of test alone, and every table and picture of all of them."""
    (ref,) = results.values()
    metrics = json.loads((ref.folder / "metrics.json").read_text(encoding="utf-8"))
    unseen = metrics["unseen"]
    if unseen is None:
        nothing = facts({"figure": f"none. {metrics['obstacle']}"})
        return Shown("Sources never seen", "no figure", blocks=nothing, settings=settings_of(results))
    figure = f"{percent(unseen['top1'])} of {unseen['images']:,} photographs right, {metrics['folds']} folds"
    return Shown("Sources never seen", figure, blocks=[*_blocks(ref.folder, metrics, dataset)], settings=settings_of(results))


def _blocks(folder: Path, metrics: Metrics, dataset: Ref | None) -> Iterator[Block]:
    yield Facts(_about(metrics), note=HOW)
    yield from score_tables(_scores(metrics), metrics, "")
    open_image = photographs_of(dataset) if dataset else None
    said = _predictions(folder, metrics["temperature"])
    everything = Judged(folder, metrics["unseen"], "", "-unseen", "", SCALING, "Not judged", said, open_image)
    yield from judged.calibration(everything)
    yield _answered(said)
    for part in (judged.bins, judged.classes, judged.confusion):
        yield from part(everything)


def _answered(said: Sequence[Prediction]) -> Images:
    """Return how often answers are right if those that are not sure are left to a person."""
    curve = coverage(np.array([each.confidence for each in said]), np.array([each.true == each.said for each in said]))
    (share, right), (enough, threshold) = curve.at(SURE), curve.reaching(WANTED)
    note = f"The server and the page call an answer not sure below a probability of {SURE:g}: "
    note += (
        f"{percent(share)} of the photographs are at or above it, and {percent(right)} of these right. "
        if share
        else "all are. "
    )
    note += (
        f"For {percent(WANTED)} right, {percent(enough)} could be answered, those from {threshold:.2f} on."
        if enough
        else f"No share of them is {percent(WANTED)} right."
    )
    marked = {f"sure from {SURE:g} on: {percent(share)} answered, {percent(right)} right": (share, right)} if share else {}
    chart = figures.coverage(curve.shares.tolist(), curve.accuracies.tolist(), marked)
    return Images(drawn("coverage-unseen", chart, note), title="If what is not sure is left to a person", note=note)


def _predictions(folder: Path, temperature: float) -> list[Prediction]:
    """Return what was said about the clean view of each photograph, scaled by the temperature that fits all of them."""
    classes = [row["class"] for row in judged.rows_of(folder / "per_class.csv")]
    clean = read_out_of_fold(folder, classes).predictions.clean
    sure = probabilities(clean.logits, temperature).max(axis=1)
    columns = (clean.images.tolist(), clean.labels.tolist(), clean.predicted.tolist(), sure.tolist())
    return [Prediction(*row) for row in zip(*columns, strict=True)]


def _about(metrics: Metrics) -> list[tuple[str, str]]:
    rows = {
        "photographs judged": f"{metrics['unseen']['images']:,}",
        "sources": f"{metrics['sources']:,}",
        "folds": f"{metrics['folds']}",
        "temperature that fits all of them": f"{metrics['temperature']:.3f}",
    }
    missing = metrics["unpredicted"]
    if missing["images"]:
        rows["photographs not judged"] = (
            f"{missing['images']:,}, whose class has no other source: {', '.join(missing['classes'])}"
        )
    return [*rows.items()]


def _scores(metrics: Metrics) -> dict[str, Metrics]:
    """Return the figures by what they are called: of all photographs, and of those of each split, clean and noisy."""
    named = {
        f"{suffix.removeprefix('_') or 'all'}{words}": metrics[f"{key}{suffix}"]
        for suffix in PARTS
        for key, words in zip(UNSEEN, ("", ", noisy"), strict=True)
    }
    return {name: score for name, score in named.items() if score}
