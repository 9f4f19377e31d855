"""The champion as a run meets it: found before the model is judged, replaced afterwards where that is the decision."""

from __future__ import annotations

from typing import NamedTuple

from pipeline_lib.stages.champion import Appointment, Candidate, appoint, lead_to_champion, read_ledger, standing, taken_back
from pipeline_lib.stages.latest import slot_of
from pipeline_lib.stages.result import Ref, damage
from pipeline_lib.stages.run import Run


class Facing(NamedTuple):
    """What a run's model is measured by.

    Attributes:
        champion: The champion's model, its out-of-fold outputs and the decision on it; empty where there is none to compare.
        looks: How many models the test set has judged.
        obstacle: Why there is no comparison though there is a champion; empty else.
        expected: Digest of the champion's model; "" where there is none.
    """

    champion: tuple[Ref, ...] = ()
    looks: int = 0
    obstacle: str = ""
    expected: str = ""


def face_champion(run: Run, model: Ref, looks: int) -> Facing:
    """Return what a model is measured by.

    A model that already is the champion meets the one that it was measured by when that was decided, so that a run that is
    repeated finds its decision.

    Args:
        run: The run in progress.
        model: Its model.
        looks: How many models the test set has judged.

    Raises:
        PipelineError: The ledger of champions is damaged.
    """
    ledger = read_ledger(run.store.root, slot_of(run.flow, run.dataset))
    stack = standing(ledger)
    if not stack:
        return Facing()
    present = stack[-1]
    if present.candidate.model.digest == model.digest:
        return _as_decided(present)
    expected = present.candidate.model.digest
    if when := taken_back(ledger, model):
        obstacle = f"a person took its appointment back on {when:%Y-%m-%d}"
        return Facing(obstacle=obstacle, expected=expected)
    facing = _intact(_parts(present.candidate), f"the champion since {present.when:%Y-%m-%d}", looks)
    return facing._replace(expected=expected)


def settle(run: Run, model: Ref, cross_validated: Ref, decision: Ref, facing: Facing) -> str:
    """Make the model the champion if that is the decision, and return in words what has become of it; empty while planning."""
    if run.planning:
        return ""
    slot, summary = slot_of(run.flow, run.dataset), decision.manifest().summary
    stack = standing(read_ledger(run.store.root, slot))
    if stack and stack[-1].candidate.model.digest == model.digest:
        lead_to_champion(run.store, slot)
        return f"the champion since {stack[-1].when:%Y-%m-%d}"
    candidate = Candidate(model=model, cross_validated=cross_validated, decision=decision)
    if summary["decision"] == "promoted" and not appoint(run.store, slot, candidate, facing.expected, "rule", run.id):
        return "kept: another run has appointed a champion meanwhile, which this model meets when it is run again"
    return f"{summary['decision']}: {summary['because']}"


def _as_decided(present: Appointment) -> Facing:
    """Return what the champion was measured by, as the decision on it has noted."""
    decision = present.candidate.decision
    if damage(decision.folder, "sizes"):
        return Facing(expected=present.candidate.model.digest)
    summary = decision.manifest().summary
    champion = tuple(Ref.model_validate(each) for each in summary["champion"])
    facing = _intact(champion, "the champion before it", summary["looks"]) if champion else Facing(obstacle=summary["obstacle"])
    return facing._replace(expected=present.candidate.model.digest)


def _parts(candidate: Candidate) -> tuple[Ref, ...]:
    return (candidate.model, candidate.cross_validated, candidate.decision)


def _intact(champion: tuple[Ref, ...], called: str, looks: int) -> Facing:
    """Return a champion to compare with, or the obstacle where a part of it is gone or damaged."""
    wrong = next(filter(None, (damage(ref.folder, "sizes") for ref in champion)), "")
    if wrong:
        return Facing(obstacle=f"{called} cannot be compared with: {wrong.replace('`', '')}")
    return Facing(champion, looks)
