"""The champion: which model of a flow on a dataset is in use, since when, and which ones it followed.

Each flow on each dataset has a ledger, a JSON file to which appointments are added. Whoever appoints says which champion was
there when it was decided; if another one is there by now, nothing is appointed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from pipeline_lib.errors import PipelineError
from pipeline_lib.stages.publishing import write_atomically
from pipeline_lib.stages.result import Record, Ref
from pipeline_lib.stages.store import Store

CHAMPIONS = "champions"
"""The folder of the ledgers in the artifacts root: ``<flow>/<dataset>.json``."""

LINK = "champion"
"""What leads to the champion's folder in ``latest/<flow>/<dataset>/``."""

PREDECESSORS = 3
"""How many models before the champion are kept, to go back to."""


class Candidate(Record):
    """A model that was judged.

    Attributes:
        model: The model.
        cross_validated: Its out-of-fold outputs, which it is compared by.
        decision: What was decided about it, with the list of the photographs that it knows.
    """

    model: Ref
    cross_validated: Ref
    decision: Ref


class Appointment(Record):
    """A row of a ledger.

    Attributes:
        when: When, in UTC.
        by: What appointed: the ``rule`` of a run, or a command that a person gave, ``promote`` or ``rollback``.
        run: Id of the run; "" for a command.
        candidate: The champion from then on.
        replaced: Key of the model that it replaced; "" for none.
    """

    when: datetime
    by: Literal["rule", "promote", "rollback"]
    run: str = ""
    candidate: Candidate
    replaced: str = ""


_LEDGER = TypeAdapter(list[Appointment])


def read_ledger(root: Path, slot: str) -> list[Appointment]:
    """Return the appointments of a slot, ``<flow>/<name of the dataset in latest/>``, the oldest first.

    Raises:
        PipelineError: The ledger is damaged.
    """
    path = _path(root, slot)
    try:
        return _LEDGER.validate_json(path.read_bytes())
    except FileNotFoundError:
        return []
    except ValidationError:
        raise PipelineError(
            f"The ledger of champions {path} is damaged: restore it, or remove it, and the next model counts as the first"
        ) from None


def standing(ledger: Sequence[Appointment]) -> list[Appointment]:
    """Return the appointments that were not taken back: the last one is the champion's, the one before its predecessor's."""
    stack: list[Appointment] = []
    for appointment in ledger:
        if appointment.by == "rollback":
            stack = stack[:-1]
        else:
            stack.append(appointment)
    return stack


def champion_of(root: Path, slot: str) -> Appointment | None:
    """Return the appointment of the present champion; None if there is none."""
    stack = standing(read_ledger(root, slot))
    return stack[-1] if stack else None


def taken_back(ledger: Sequence[Appointment], model: Ref) -> datetime | None:
    """Return when a person took the appointment of a model back; None if nobody did, or it was appointed again."""
    stack, when = list[Appointment](), None
    for appointment in ledger:
        if appointment.by != "rollback":
            stack.append(appointment)
            when = None if appointment.candidate.model.digest == model.digest else when
        elif stack.pop().candidate.model.digest == model.digest:
            when = appointment.when
    return when


def appoint(
    store: Store, slot: str, candidate: Candidate, expected: str, by: Literal["rule", "promote"], run: str = ""
) -> bool:
    """Make a model the champion if the champion still is the one that was expected; return whether it is.

    Args:
        store: Where the results are.
        slot: ``<flow>/<name of the dataset in latest/>``.
        candidate: The model.
        expected: Digest of the model that was the champion when it was decided; "" for none.
        by: What appoints.
        run: Id of the run.
    """
    with _locked(store.root, slot):
        ledger = read_ledger(store.root, slot)
        stack = standing(ledger)
        if (stack[-1].candidate.model.digest if stack else "") != expected:
            return False
        replaced = stack[-1].candidate.model.key if stack else ""
        added = Appointment(when=_now(), by=by, run=run, candidate=candidate, replaced=replaced)
        _write(store, slot, [*ledger, added], candidate)
    return True


def roll_back(store: Store, slot: str) -> Appointment:
    """Make the champion's predecessor the champion again; return its appointment.

    Raises:
        PipelineError: There is no predecessor, or it is gone.
    """
    with _locked(store.root, slot):
        ledger = read_ledger(store.root, slot)
        stack = standing(ledger)
        if len(stack) < 2:
            what = "has no predecessor" if stack else "does not exist"
            raise PipelineError(f"The champion of {slot} {what}, so there is nothing to go back to; see garbage models")
        back = stack[-2].candidate
        if not back.model.folder.is_dir():
            raise PipelineError(f"The predecessor {back.model.key} of the champion of {slot} is gone; see garbage models")
        replaced = stack[-1].candidate.model.key
        added = Appointment(when=_now(), by="rollback", candidate=back, replaced=replaced)
        _write(store, slot, [*ledger, added], back)
    return stack[-2]


def keep_appointments(store: Store, slot: str, kept: Sequence[Appointment]) -> None:
    """Replace a ledger by some of the appointments that were not taken back; what leads to the champion stays as it is."""
    with _locked(store.root, slot):
        write_atomically(_path(store.root, slot), _LEDGER.dump_json(list(kept), indent=1) + b"\n")


def lead_to_champion(store: Store, slot: str) -> None:
    """Let ``latest/`` lead to the champion, which a process that was killed between ledger and link has left undone."""
    with _locked(store.root, slot):
        if appointment := champion_of(store.root, slot):
            store.point(f"{slot}/{LINK}", appointment.candidate.model)


def needed_by_champions(root: Path) -> Iterator[str]:
    """Yield the paths of the results that champions and their last predecessors consist of.

    Raises:
        PipelineError: A ledger is damaged.
    """
    for slot in slots(root):
        for appointment in standing(read_ledger(root, slot))[-1 - PREDECESSORS :]:
            candidate = appointment.candidate
            yield from (ref.path for ref in (candidate.model, candidate.cross_validated, candidate.decision))


def champions_in_use(root: Path) -> Iterator[Candidate]:
    """Yield the present champion of each slot.

    Raises:
        PipelineError: A ledger is damaged.
    """
    for slot in slots(root):
        if appointment := champion_of(root, slot):
            yield appointment.candidate


def slots(root: Path) -> list[str]:
    """Return the slots that have a ledger."""
    folder = root / CHAMPIONS
    return sorted(path.relative_to(folder).as_posix().removesuffix(".json") for path in folder.glob("*/*.json"))


def _path(root: Path, slot: str) -> Path:
    return root / CHAMPIONS / f"{slot}.json"


def _locked(root: Path, slot: str) -> FileLock:
    folder = root / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"champion-{slot.replace('/', '-')}.lock")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _write(store: Store, slot: str, ledger: list[Appointment], champion: Candidate) -> None:
    path = _path(store.root, slot)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, _LEDGER.dump_json(ledger, indent=1) + b"\n")
    store.point(f"{slot}/{LINK}", champion.model)
