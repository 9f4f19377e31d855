"""Two kept models beside each other, by what both said out of fold: what ``garbage compare`` shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline_lib.errors import PipelineError
from pipeline_lib.evaluation.comparison import MEASURES
from pipeline_lib.evaluation.decided import DECISION
from pipeline_lib.evaluation.out_of_fold import OutOfFold, read_out_of_fold
from pipeline_lib.evaluation.pairs import Photographs, pair_out_of_fold, read_photographs, without_noisy
from pipeline_lib.evaluation.promotion import (
    ClassCompared,
    Compared,
    Pair,
    compare,
    compare_calibration,
    compare_classes,
    sign_test,
)
from pipeline_lib.models.heads import load_head
from pipeline_lib.stages.champion import Candidate
from pipeline_lib.stages.result import damage


@dataclass(frozen=True)
class SideBySide:
    """Two models on the photographs that are in train of both, out of fold: the first as champion, the second as challenger.

    Attributes:
        pair: What both said of each photograph, by the digest of its content.
        keys: The key of each photograph in the second model's dataset, by that digest.
        names: (C,) names of the classes.
        figures: What is compared, by name.
        classes: The classes that have photographs, those that lose most first.
    """

    pair: Pair
    keys: Mapping[str, str]
    names: Sequence[str]
    figures: Mapping[str, Compared]
    classes: Sequence[ClassCompared]

    @property
    def tested(self) -> dict[str, float]:
        """Number of sources of which the second model gets ``better`` and ``worse``, and the ``p`` of so uneven a split.

        McNemar's exact test by source on clean views, two-sided: twice the smaller of the two one-sided values.
        """
        better, worse, p_loss = sign_test(self.pair.gained, self.pair.sources)
        _, _, p_gain = sign_test(-self.pair.gained, self.pair.sources)
        return {"better": better, "worse": worse, "p": min(1.0, 2 * min(p_loss, p_gain))}

    def plain(self) -> dict[str, Any]:
        """Return all but the photographs as plain values, each of ``figures`` and ``classes`` with both models' shares."""
        return {
            "photographs": len(self.pair.labels),
            "sources": len(set(self.pair.sources.tolist())),
            "tested": self.tested,
            "figures": {name: asdict(each) for name, each in self.figures.items()},
            "classes": [asdict(each) for each in self.classes],
        }


def compare_candidates(first: Candidate, second: Candidate) -> SideBySide:
    """Return two models beside each other, with the labels and sources of the second one.

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
    judged = _judged(second, classes)
    pair = pair_out_of_fold(judged, _judged(first, classes))
    if not len(pair.labels):
        raise PipelineError(f"{first.model.key} and {second.model.key} have no photograph of train in common; compare others")
    if _views(first) != _views(second):
        pair = without_noisy(pair)
    there = pair.challenger.hits.shares.keys() & pair.champion.hits.shares.keys()
    compared = {measure: compare(pair, measure) for measure, kinds in MEASURES.items() if there.issuperset(kinds)}
    figures = {**compared, "calibration error": compare_calibration(pair)}
    return SideBySide(pair, judged[1].of_train, classes, figures, compare_classes(pair, classes))


def _judged(candidate: Candidate, classes: Sequence[str]) -> tuple[OutOfFold, Photographs]:
    return read_out_of_fold(candidate.cross_validated.folder, classes), read_photographs(candidate.decision.folder)


def _views(candidate: Candidate) -> Any:
    return json.loads((candidate.decision.folder / DECISION).read_text(encoding="utf-8"))["views"]
