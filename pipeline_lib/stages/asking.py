"""Questions to the store: what a run has used, how two runs differ, and which runs have used a file.

All answers are read from manifests and the records of runs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pipeline_lib.errors import PipelineError
from pipeline_lib.stages.history import Used
from pipeline_lib.stages.publishing import MANIFEST
from pipeline_lib.stages.result import Manifest, json_digest, read_manifest

EXHIBIT = "exhibit"
"""The stage whose results are what other stages show: of no interest here."""


class Change(NamedTuple):
    """A part of a key that differs between two runs.

    Attributes:
        section: ``settings``, ``inputs``, ``code`` or ``libraries``.
        name: Of the setting, the input, the file or the library.
        before: Its values in the first run, one for each that some shard has; none where there was none.
        after: Its values in the second run.
    """

    section: str
    name: str
    before: tuple[Any, ...]
    after: tuple[Any, ...]


@dataclass(frozen=True)
class Difference:
    """How a stage differs between two runs.

    Attributes:
        stage: Its name.
        shared: Number of results that both runs have used.
        before: Number of those that the first run alone has used.
        after: Number of those that the second run alone has used.
        same_content: Whether what they have used is the same, byte for byte, whatever the keys.
        changes: What differs between the keys of the results that only one of them has used.
    """

    stage: str
    shared: int
    before: int
    after: int
    same_content: bool
    changes: tuple[Change, ...]


def find_run(history: Sequence[Used], name: str | None = None) -> Used:
    """Return the record of a run.

    Args:
        history: All records, the one that finished last first.
        name: How the run's id begins; None for the last run.

    Raises:
        PipelineError: There is no such run, or there are several.
    """
    found = [used for used in history if used.run.startswith(name)] if name else list(history[:1])
    if len(found) == 1:
        return found[0]
    if found:
        raise PipelineError(f"{len(found)} runs begin with {name}; write more of the id, such as {found[0].run[:12]}")
    if not history:
        raise PipelineError("There is no record of a run; 'garbage run' starts one")
    raise PipelineError(f"There is no record of a run {name}; 'garbage runs' lists them, the last one is {history[0].run[:8]}")


def run_before(history: Sequence[Used], used: Used) -> Used:
    """Return the record of the run of the same flow on the same dataset that finished before a run.

    Raises:
        PipelineError: It is the first one.
    """
    earlier = history[history.index(used) + 1 :]
    found = next((each for each in earlier if each.slot == used.slot), None)
    if found is None:
        raise PipelineError(f"{used.run[:8]} is the first run of {used.slot}; there is none before it to compare with")
    return found


def manifests_of(root: Path, used: Used) -> dict[str, list[Manifest]]:
    """Return the manifests of a run's results by stage, the stage that was computed last at the end; some may be gone."""
    found: dict[str, list[Manifest]] = defaultdict(list)
    computed: dict[str, float] = defaultdict(float)
    for path in used.results:
        stage = Path(path).parent.name
        if stage != EXHIBIT and (manifest := _manifest(root / path)):
            found[stage].append(manifest)
            computed[stage] = max(computed[stage], (root / path / MANIFEST).stat().st_mtime)
    return {stage: found[stage] for stage in sorted(found, key=lambda stage: computed[stage])}


def _manifest(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except (OSError, ValueError):
        return None


def differences_of(before: Mapping[str, Sequence[Manifest]], after: Mapping[str, Sequence[Manifest]]) -> list[Difference]:
    """Return how the stages of two runs differ, see `manifests_of`, those of the second run first and in its order."""
    stages = dict.fromkeys([*after, *before])
    return [_difference(stage, before.get(stage, ()), after.get(stage, ())) for stage in stages]


def _difference(stage: str, before: Sequence[Manifest], after: Sequence[Manifest]) -> Difference:
    shared = {each.key for each in before} & {each.key for each in after}
    old, new = ([each for each in every if each.key not in shared] for every in (before, after))
    same = Counter(each.digest for each in before) == Counter(each.digest for each in after)
    return Difference(stage, len(shared), len(old), len(new), same, tuple(_changes(old, new)))


def _changes(before: Sequence[Manifest], after: Sequence[Manifest]) -> Iterator[Change]:
    """Yield what differs between the keys of results, in the order of the sections."""
    if not (before and after):
        return
    old, new = _values(before), _values(after)
    for section, name in sorted(old.keys() | new.keys(), key=_order):
        first, second = old.get((section, name), {}), new.get((section, name), {})
        if first.keys() != second.keys():
            yield Change(section, name, tuple(first.values()), tuple(second.values()))


_SECTIONS = ("settings", "code", "libraries", "inputs")


def _order(place: tuple[str, str]) -> tuple[int, str]:
    return _SECTIONS.index(place[0]), place[1]


def _values(manifests: Sequence[Manifest]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the values of every part of keys, each once, by section and name."""
    values: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    for manifest in manifests:
        for section, parts in manifest.parts.items():
            for name, value in parts.items():
                values[section, name][json_digest([value])] = value
    return dict(values)


def result_of(root: Path, path: Path) -> str | None:
    """Return the result that a file or folder belongs to, by its path below the root; None if it belongs to none."""
    try:
        parts = path.resolve().relative_to(root.resolve()).parts
    except ValueError:
        return None
    return "/".join(parts[:3]) if len(parts) >= 3 and parts[0] == "stages" else None


def users_of(history: Sequence[Used], result: str) -> list[Used]:
    """Return the records of the runs that have used a result, the one that finished last first."""
    return [used for used in history if result in used.results]


def holders_of(root: Path, sha256: str, stages: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the results of stages that hold a file of that content: the path of each, and the paths of the file in it."""
    for stage in stages:
        for folder in sorted((root / "stages" / stage).glob("*")):
            manifest = _manifest(folder) if "." not in folder.name else None  # others are not finished
            names = tuple(output.path for output in manifest.outputs if output.sha256 == sha256) if manifest else ()
            if names:
                yield folder.relative_to(root).as_posix(), names
