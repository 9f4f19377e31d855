"""In what else than its photographs a run differs from that of the champion: settings, code and libraries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline_lib.stages.asking import Change, differences_of, manifests_of
from pipeline_lib.stages.history import Used, read_history
from pipeline_lib.stages.result import Manifest, json_digest
from pipeline_lib.stages.run import Run
from tasks.contract.champion import Facing


def differing_keys(run: Run, facing: Facing) -> list[dict[str, Any]]:
    """Return what differs between the keys of the stages that a run and that of the champion both have, each thing once.

    Where the record of the champion's run is gone, its model, its cross-validation and its decision are compared alone.

    Returns:
        ``section`` (``settings``, ``code`` or ``libraries``), ``name``, ``before`` and ``after`` (values of settings and
        versions of libraries, none for code), and ``stages``, their names.
    """
    if not facing.champion:
        return []
    now = Used(run=run.id, slot=run.slot, when=datetime.now(UTC), results=tuple(sorted(run.results)))
    return _each_once(_of_champion(run, facing), manifests_of(run.store.root, now))


def _of_champion(run: Run, facing: Facing) -> dict[str, list[Manifest]]:
    decided = facing.champion[-1].manifest().run
    used = next((each for each in read_history(run.store.root) if each.run == decided), None)
    if used:
        return manifests_of(run.store.root, used)
    return {ref.stage: [ref.manifest()] for ref in facing.champion}


def _each_once(before: Mapping[str, Sequence[Manifest]], after: Mapping[str, Sequence[Manifest]]) -> list[dict[str, Any]]:
    found: dict[str, Change] = {}
    stages: dict[str, list[str]] = defaultdict(list)
    for difference in differences_of(before, {stage: after[stage] for stage in after if stage in before}):
        for change in difference.changes:
            if change.section != "inputs":
                same = json_digest(list(change))
                found[same] = change
                stages[same].append(difference.stage)
    rows = (_plain(change, stages[same]) for same, change in found.items())
    return sorted(rows, key=lambda row: (row["section"], row["name"], row["stages"]))


def _plain(change: Change, stages: Sequence[str]) -> dict[str, Any]:
    is_code = change.section == "code"
    values = {name: [] if is_code else list(getattr(change, name)) for name in ("before", "after")}
    return {"section": change.section, "name": change.name, **values, "stages": sorted(stages)}
