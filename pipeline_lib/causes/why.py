"""Why a photograph is answered differently by two runs: the smallest change that, taken back, brings the old answer back."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.special import softmax

from pipeline_lib.causes.changes import Change, between, changes_of, in_groups
from pipeline_lib.causes.material import Material
from pipeline_lib.causes.smallest import smallest
from pipeline_lib.errors import PipelineError
from pipeline_lib.prediction.model import HeadModel
from pipeline_lib.progress import Progress, ignore_progress
from pipeline_lib.training.head import head_trainer, one_thread

TRAININGS = 60
"""Most trainings of a search: a head takes seconds, and nobody waits for an hour."""

Answer = Mapping[str, float]
"""Probabilities 0..1 by class, the likeliest first."""


@dataclass(frozen=True)
class Seen:
    """A photograph as a run's model sees it, and what the model says.

    Attributes:
        row: What the head is given, (1, features), float32.
        answer: What it says.
        temperature: What its logits are divided by.
    """

    row: NDArray[np.float32]
    answer: Answer
    temperature: float


def seen(material: Material, image: Image.Image) -> Seen:
    """Return an RGB image as the model of a run sees it."""
    model = HeadModel(material.model)
    row, _ = model.rows([image])
    return Seen(row, _answer(model.classes, model.answers([image]).probabilities[0]), model.temperature)


@dataclass(frozen=True)
class Cause:
    """What an answer has changed by.

    Attributes:
        before: What the model of the first run says.
        after: What the model of the second run says.
        groups: The fewest groups of changes without which the old answer is back; all photographs of a kind and class are one.
        members: All changes in these groups.
        suffice: The fewest of them that have to be taken back.
        without: What a model says that was trained like the second one without the groups.
        without_few: What one says that was trained without those that suffice.
        alone: Whether these groups without any other change give the new answer.
        trainings: How many heads were trained.
        seconds: How long it took, wall time.
    """

    before: Answer
    after: Answer
    groups: tuple[Change, ...]
    members: tuple[Change, ...]
    suffice: tuple[Change, ...]
    without: Answer
    without_few: Answer
    alone: bool
    trainings: int
    seconds: float


def explain(
    before: Material, after: Material, views: tuple[Seen, Seen], code: Sequence[str] = (), progress: Progress = ignore_progress
) -> Cause:
    """Return what the answer to a photograph has changed by.

    Args:
        before: What the model of the first run was trained on.
        after: What that of the second run was trained on.
        views: The photograph as both models see it.
        code: Code and libraries of the training that differ, which cannot be taken back.
        progress: Called with the number of trainings done.

    Raises:
        PipelineError: Both models give the same answer, or training them again does not give theirs.
    """
    started = time.perf_counter()
    search = _Search(before, after, views, progress)
    first, second = (view.answer for view in views)
    if _best(first) == _best(second):
        raise PipelineError(f"Both runs answer {_best(first)} ({first[_best(first)]:.2f} and {second[_best(second)]:.2f}).")
    search.check(code)
    groups = in_groups(search.changes)
    found = smallest(list(groups), lambda chosen: search.brings_back(_members(groups, chosen)))
    members = _members(groups, found)
    few = search.fewest(members)
    others = [change for change in search.changes if change not in members]
    return Cause(
        first,
        second,
        tuple(sorted(found)),
        members,
        few,
        search.retrained(members),
        search.retrained(few),
        _best(search.retrained(others)) == _best(second),
        search.trainings,
        round(time.perf_counter() - started, 1),
    )


def _members(groups: Mapping[Change, Sequence[Change]], chosen: Collection[Change]) -> tuple[Change, ...]:
    return tuple(sorted(change for group in chosen for change in groups[group]))


def _best(answer: Answer) -> str:
    return max(answer, key=lambda name: answer[name])


@dataclass
class _Search:
    """The answers of models between two runs, each trained once."""

    before: Material
    after: Material
    views: tuple[Seen, Seen]
    progress: Progress
    changes: list[Change] = field(init=False)
    _known: dict[frozenset[Change], Answer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.changes = changes_of(self.before, self.after)

    @property
    def trainings(self) -> int:
        """How many heads were trained."""
        return len(self._known)

    def retrained(self, taken_back: Collection[Change]) -> Answer:
        """Return what a model says that is trained like the second one with some changes taken back."""
        chosen = frozenset(taken_back)
        if chosen not in self._known:
            self._known[chosen] = self._trained(chosen)
            self.progress(len(self._known), TRAININGS, "trainings")
        return self._known[chosen]

    def _trained(self, chosen: Collection[Change]) -> Answer:
        given = between(self.before, self.after, self.changes, chosen)
        with one_thread():
            fitted = head_trainer(None, given.table, given.classes, given.sources, given.settings, given.seed).fit()
            logits = fitted.step.logits(self.views[given.features].row)
        return _answer(given.classes, softmax(logits[0].astype(np.float64) / self.views[given.features].temperature))

    def brings_back(self, taken_back: Collection[Change]) -> bool:
        """Whether the old answer is back without some changes; False once there were too many trainings."""
        known = frozenset(taken_back) in self._known
        return (known or self.trainings < TRAININGS) and _best(self.retrained(taken_back)) == _best(self.views[0].answer)

    def fewest(self, members: Sequence[Change]) -> tuple[Change, ...]:
        """Return the fewest photographs among changes, beside all that are no photographs, that have to be taken back."""
        others = [change for change in members if not change.photograph]
        photographs = [change for change in members if change.photograph]
        if not photographs:
            return tuple(members)
        few = smallest(photographs, lambda chosen: self.brings_back([*others, *chosen]))
        return tuple(sorted([*others, *few]))

    def check(self, code: Sequence[str]) -> None:
        """Raise PipelineError if training both models again does not give their answers: then something else has changed."""
        differs = f"; their code differs: {', '.join(code)}" if code else ""
        if not self.changes:
            raise PipelineError(f"Photographs, settings and features of the two trainings are the same{differs}.")
        for what, side, taken_back in (("second", 1, []), ("first", 0, self.changes)):
            again, answer = _best(self.retrained(taken_back)), _best(self.views[side].answer)
            if again != answer:
                raise PipelineError(
                    f"The model of the {what} run says {answer}, but trained again by the code of today it says {again}, so "
                    f"nothing can be concluded{differs}."
                )


def _answer(classes: Sequence[str], probabilities: NDArray[np.float64]) -> Answer:
    ranked = sorted(zip(classes, probabilities.tolist(), strict=True), key=lambda item: -item[1])
    return dict(ranked)
