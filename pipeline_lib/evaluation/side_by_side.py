"""Two kept models beside each other, by what both said out of fold: what ``garbage compare`` shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pipeline_lib.errors import PipelineError
from pipeline_lib.evaluation.comparison import MEASURES
from pipeline_lib.evaluation.decided import DECISION
from pipeline_lib.evaluation.out_of_fold import OutOfFold, read_out_of_fold
from pipeline_lib.evaluation.pairs import Photographs, pair_out_of_fold, read_photographs, without_noisy
from pipeline_lib.evaluation.promotion import compare, compare_calibration, compare_classes
from pipeline_lib.models.heads import load_head
from pipeline_lib.stages.champion import Candidate
from pipeline_lib.stages.result import damage


def compare_candidates(first: Candidate, second: Candidate) -> dict[str, Any]:
    """Return figures of two models, the paired differences, and the classes, on photographs that are in train of both.

    Returns:
        ``photographs`` and ``sources`` (numbers), ``figures`` (by name: the first model as ``champion``, the second one as
        ``challenger``, ``difference``, ``low``, ``high``, -1..1), and ``classes``, those that lose most first.

    Raises:
        PipelineError: A model was trained on other classes than the other one, a part of one is gone, or they have no
            photograph in common.
    """
    for candidate in (first, second):
        for ref in (candidate.model, candidate.cross_validated, candidate.decision):
            if wrong := damage(ref.folder, "sizes"):
                raise PipelineError(f"The model {candidate.model.key} cannot be compared: {wrong}; run its settings again")
    classes = load_head(second.model.folder).spec.classes
    if load_head(first.model.folder).spec.classes != classes:
        raise PipelineError(f"{first.model.key} and {second.model.key} were trained on different classes; compare others")
    pair = pair_out_of_fold(_judged(second, classes), _judged(first, classes))
    if not len(pair.labels):
        raise PipelineError(f"{first.model.key} and {second.model.key} have no photograph of train in common; compare others")
    if _views(first) != _views(second):
        pair = without_noisy(pair)
    there = pair.challenger.hits.shares.keys() & pair.champion.hits.shares.keys()
    compared = {measure: compare(pair, measure) for measure, kinds in MEASURES.items() if there.issuperset(kinds)}
    figures = {**compared, "calibration error": compare_calibration(pair)}
    return {
        "photographs": len(pair.labels),
        "sources": len(set(pair.sources.tolist())),
        "figures": {name: asdict(each) for name, each in figures.items()},
        "classes": [asdict(each) for each in compare_classes(pair, classes)],
    }


def _judged(candidate: Candidate, classes: Sequence[str]) -> tuple[OutOfFold, Photographs]:
    return read_out_of_fold(candidate.cross_validated.folder, classes), read_photographs(candidate.decision.folder)


def _views(candidate: Candidate) -> Any:
    return json.loads((candidate.decision.folder / DECISION).read_text(encoding="utf-8"))["views"]
