"""Which trained models there are, and which one is in use: what a person asks and decides. A model is named by its key."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from pipeline_lib.errors import PipelineError
from pipeline_lib.stages.asking import users_of
from pipeline_lib.stages.champion import Candidate, appoint, champion_of, read_ledger, roll_back, slots, standing
from pipeline_lib.stages.history import read_history
from pipeline_lib.stages.latest import names_of, slot_of
from pipeline_lib.stages.publishing import MANIFEST
from pipeline_lib.stages.result import Ref, read_manifest
from pipeline_lib.stages.store import Store

CHAMPION, PREDECESSOR = "champion", "predecessor"


class KeptModel(NamedTuple):
    """A trained model whose folder is there.

    Attributes:
        slot: ``<flow>/<name of the dataset in latest/>``.
        folder: Where it is.
        trained: When, in local time.
        alias: ``champion`` or ``predecessor``; "" for others.
        figures: What was measured of it, by name: ``unseen`` (out of fold) and ``test`` (without leaks), top-1 0..1.
        decision: What was decided about it, in a word; "" where nothing was.
        candidate: What it takes to appoint it; None where it was not judged.
    """

    slot: str
    folder: Path
    trained: datetime
    alias: str
    figures: Mapping[str, float]
    decision: str
    candidate: Candidate | None

    @property
    def key(self) -> str:
        """What names it."""
        return self.folder.name


class Change(NamedTuple):
    """Another champion: its slot, its key, and the key of the model that it replaced, "" for none."""

    slot: str
    champion: str
    replaced: str

    @property
    def in_words(self) -> str:
        """The message for a person."""
        flow, _, dataset = self.slot.partition("/")
        before = f"it replaced {self.replaced}" if self.replaced else "it is the first one"
        return f"{self.champion} is the champion of {dataset} ({flow}) now; {before}"


def kept_models(root: Path) -> list[KeptModel]:
    """Return every model that a run has evaluated or that was a champion, the newest first.

    Raises:
        PipelineError: The record of a run, or a ledger of champions, is damaged.
    """
    aliases, found = _aliases(root), dict[tuple[str, str], KeptModel]()
    for used in read_history(root):
        slot = slot_of(*used.slot.split("/", 1))
        model = _of_run(root, slot, used.results, aliases)
        if model and (slot, model.key) not in found:
            found[slot, model.key] = model
    for slot in slots(root):
        for appointment in standing(read_ledger(root, slot)):
            model = _of_candidate(root, slot, appointment.candidate, aliases)
            if model and (slot, model.key) not in found:
                found[slot, model.key] = model
    return sorted(found.values(), key=lambda model: (model.trained, model.key), reverse=True)


def find_model(root: Path, key: str, flow: str, dataset: str | None = None) -> tuple[KeptModel, Candidate]:
    """Return the judged model whose key begins like that, and what it takes to appoint it.

    Args:
        root: The artifacts root.
        key: The key, or its beginning.
        flow: Name of the flow.
        dataset: Name or path of its dataset; None if the key says enough.

    Raises:
        PipelineError: There is none, there are several, or it was not judged.
    """
    places = [slot_of(flow, name) for name in names_of(dataset)] if dataset is not None else None
    found = [
        model
        for model in kept_models(root)
        if model.key.startswith(key) and model.slot.startswith(f"{flow}/") and (places is None or model.slot in places)
    ]
    if len(found) != 1:
        what = "There is no kept model" if not found else f"There are {len(found)} kept models"
        raise PipelineError(f"{what} of the flow {flow} whose key begins with {key}; garbage models lists them")
    if found[0].candidate is None:
        raise PipelineError(
            f"The model {found[0].key} was not judged beside a champion: run its settings again, then appoint it"
        )
    return found[0], found[0].candidate


def key_of(root: Path, name: str) -> str:
    """Return the key of the model that somebody has named by its folder, or by the beginning of the id of a run.

    Whatever is neither is returned as it is: it may be the beginning of a key.
    """
    if (folder := Path(name)).is_dir():
        return folder.resolve().name
    runs = [used for used in read_history(root) if used.run.startswith(name)]
    model = _only(root, "train", runs[0].results) if len(runs) == 1 else None
    return model.name if model else name


def dataset_of(root: Path, model: KeptModel) -> Path:
    """Return the folder of the photographs that a model was trained on, as the last run that has used it has laid them out.

    Raises:
        PipelineError: There is no record of such a run, or its photographs are gone.
    """
    path = model.folder.relative_to(root).as_posix()
    for used in users_of(read_history(root), path):
        for stage in ("split", "dataset"):  # a run that has divided its dataset anew was trained on that
            if folder := _only(root, stage, used.results):
                return folder
    raise PipelineError(f"The photographs that {model.key} was trained on are gone; run its settings again to see them")


def slot_with_champion(root: Path, flow: str, dataset: str | None) -> str:
    """Return the slot of a flow that has a champion: that of the dataset, or the only one.

    Raises:
        PipelineError: There is none, or there are several and no dataset was named.
    """
    there = [slot for slot in slots(root) if slot.startswith(f"{flow}/") and standing(read_ledger(root, slot))]
    names = {slot_of(flow, name) for name in names_of(dataset)} if dataset is not None else set(there)
    if len(chosen := [slot for slot in there if slot in names]) == 1:
        return chosen[0]
    datasets = ", ".join(slot.partition("/")[2] for slot in there)
    if not there:
        raise PipelineError(f"The flow {flow} has no champion yet; garbage run appoints the first one")
    raise PipelineError(f"Name one of the datasets that have a champion with --dataset: {datasets}")


def appoint_by_hand(store: Store, key: str, flow: str, dataset: str | None = None) -> Change:
    """Make the model whose key begins like that the champion, whatever was decided about it.

    Raises:
        PipelineError: See `find_model`; or it is the champion already, or another one was appointed at this moment.
    """
    model, candidate = find_model(store.root, key, flow, dataset)
    before = champion_of(store.root, model.slot)
    if before and before.candidate.model.digest == candidate.model.digest:
        raise PipelineError(f"The model {model.key} is the champion of {model.slot} already, since {before.when:%Y-%m-%d}")
    if not appoint(store, model.slot, candidate, before.candidate.model.digest if before else "", "promote"):
        raise PipelineError(f"A run has appointed another champion of {model.slot} at this moment; look at garbage models")
    return Change(model.slot, model.key, before.candidate.model.key if before else "")


def appoint_if_vacant(store: Store, slot: str) -> str | None:
    """Make the newest judged model of a slot that has lost its champion the champion; return its key, None if none is missing.

    Raises:
        PipelineError: The record of a run, or a ledger of champions, is damaged.
    """
    if slot not in slots(store.root) or champion_of(store.root, slot):
        return None
    found = (model for model in kept_models(store.root) if model.slot == slot)
    newest = next(found, None)
    if newest is None or newest.candidate is None:
        return None
    appoint(store, slot, newest.candidate, "", "promote")
    return newest.key


def go_back(store: Store, flow: str, dataset: str | None = None) -> Change:
    """Make the champion's predecessor the champion again.

    Raises:
        PipelineError: See `slot_with_champion`; or there is no predecessor.
    """
    slot = slot_with_champion(store.root, flow, dataset)
    before, back = champion_of(store.root, slot), roll_back(store, slot)
    return Change(slot, back.candidate.model.key, before.candidate.model.key if before else "")


def _aliases(root: Path) -> dict[tuple[str, str], str]:
    """Return what champions and their predecessors are called, by slot and key."""
    aliases = {}
    for slot in slots(root):
        stack = standing(read_ledger(root, slot))
        for name, appointment in zip((CHAMPION, PREDECESSOR), reversed(stack[-2:]), strict=False):
            aliases[slot, appointment.candidate.model.key] = name
    return aliases


def _of_run(root: Path, slot: str, results: Collection[str], aliases: Mapping[tuple[str, str], str]) -> KeptModel | None:
    """Return the model of a run; None for a run without one or with many, such as a sweep, and for a model that is gone."""
    model, evaluation, decision = (_only(root, stage, results) for stage in ("train", "evaluate", "promote"))
    if not model or not evaluation:
        return None
    figures = _figures(read_manifest(evaluation).summary)
    return _kept(slot, model, aliases, figures, _candidate(root, decision) if decision else None)


def _of_candidate(root: Path, slot: str, candidate: Candidate, aliases: Mapping[tuple[str, str], str]) -> KeptModel | None:
    folder, judged = root / candidate.model.path, root / candidate.cross_validated.path
    if not (folder / MANIFEST).exists():
        return None
    figures = _figures(read_manifest(judged).summary) if (judged / MANIFEST).exists() else {}
    return _kept(slot, folder, aliases, figures, candidate)


def _kept(
    slot: str,
    folder: Path,
    aliases: Mapping[tuple[str, str], str],
    figures: Mapping[str, float],
    candidate: Candidate | None,
) -> KeptModel:
    trained = datetime.fromtimestamp((folder / MANIFEST).stat().st_mtime)
    decision = candidate.decision.manifest().summary["decision"] if candidate and candidate.decision.folder.is_dir() else ""
    return KeptModel(slot, folder, trained, aliases.get((slot, folder.name), ""), figures, decision, candidate)


def _only(root: Path, stage: str, results: Collection[str]) -> Path | None:
    """Return the result of a stage that a run has used, if it is one and is there."""
    folders = [root / path for path in results if path.startswith(f"stages/{stage}/")]
    return folders[0] if len(folders) == 1 and (folders[0] / MANIFEST).exists() else None


def _candidate(root: Path, decision: Path) -> Candidate:
    manifest = read_manifest(decision)
    path = decision.relative_to(root).as_posix()
    ref = Ref(stage=manifest.stage, key=manifest.key, digest=manifest.digest, path=path)
    return Candidate(**manifest.summary["candidate"], decision=ref)


def _figures(summary: Mapping[str, Any]) -> dict[str, float]:
    return dict(_top1(summary))


def _top1(summary: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, key in (("unseen", "unseen"), ("test", "test_without_leaks")):
        if figures := summary.get(key):
            yield name, figures["top1"]
