"""Which kept results could depend on photographs that are to be forgotten, and their removal.

A result stays if a run vouches for it: one that has used it, and none of whose photographs is to be forgotten. All that such a
run has used was made of its own photographs, of the weights, and of the champion that its model met; so a run vouches for
nothing if nobody vouches for that champion. Whatever no run vouches for goes, be it known to depend on a photograph or not.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline_lib.stages.champion import Appointment, keep_appointments, read_ledger, slots, standing
from pipeline_lib.stages.history import Used, forget, out_of_use, read_history
from pipeline_lib.stages.latest import file_name
from pipeline_lib.stages.prune import Pruning, Sizes, Unneeded, forget_remote, remove_leftovers, remove_result
from pipeline_lib.stages.result import Manifest, read_manifest
from pipeline_lib.stages.store import Store

TABLES = (".csv", ".json", ".html", ".md")
"""How the names of files end in which a digest would be legible."""


class Vouched(NamedTuple):
    """What is known not to depend on photographs.

    Attributes:
        runs: The runs none of whose photographs is to be forgotten, the one that finished last first.
        results: Paths of all results that they have used, below the root.
    """

    runs: list[Used]
    results: set[str]


class Proof(NamedTuple):
    """What was checked after a removal.

    Attributes:
        results: Kept results: each was used by a run that vouches for it.
        runs: Runs that vouch.
        holding: Paths of results that hold or name a photograph all the same; there must be none.
    """

    results: int
    runs: int
    holding: list[str]


def vouched(root: Path, digests: Collection[str], dataset: str) -> Vouched:
    """Return the runs that vouch for their results, and these.

    Args:
        root: The artifacts root.
        digests: sha256 of the photographs to be forgotten.
        dataset: Name of the dataset that they are removed from. A run on it that keeps its photographs in another form than
            files, such as LeNet-5's, vouches for nothing.
    """
    manifests = {path.relative_to(root).as_posix(): manifest for path, manifest in _manifests(root)}
    holding = {path for path, manifest in manifests.items() if not set(digests).isdisjoint(manifest.digests.values())}
    runs = [
        used
        for used in read_history(root)
        if holding.isdisjoint(used.results) and (_dataset(used) != dataset or _has_files(used, manifests))
    ]
    while True:
        results = set[str]().union(*(used.results for used in runs))
        honest = [used for used in runs if _dataset(used) != dataset or _met(used, manifests) <= results]
        if len(honest) == len(runs):
            return Vouched(runs, results | _of_other_champions(root, digests, dataset))
        runs = honest


def plan_forgetting(store: Store, digests: Collection[str], dataset: str) -> Pruning:
    """Return what goes: every result and every run that nobody vouches for; see `vouched`."""
    sizes, known = Sizes(store.root), vouched(store.root, digests, dataset)
    gone = sorted(sizes.results - known.results)
    kept = sizes.results & known.results
    return Pruning(
        results=[Unneeded(path, _seconds(store.root / path)) for path in gone],
        runs=[used for used in read_history(store.root) if used not in known.runs],
        bytes=sizes.of(sizes.results) - sizes.of(kept),
        kept=sizes.of(kept),
    )


def drop_champions(store: Store, digests: Collection[str], dataset: str) -> list[str]:
    """Take appointments back that nobody vouches for, so that no later model meets them; return the keys of their models.

    What leads to the champion stays, and with it the model in use, until another one is appointed.
    """
    known = vouched(store.root, digests, dataset).results
    dropped = []
    for slot in _slots_of(store.root, dataset):
        ledger = standing(read_ledger(store.root, slot))
        honest = [each for each in ledger if _consists_of(each) <= known]
        if len(honest) < len(ledger):
            keep_appointments(store, slot, honest)
            dropped += [each.candidate.model.key for each in ledger if each not in honest]
    return dropped


def remove_dependent(store: Store, digests: Collection[str], dataset: str) -> Pruning:
    """Remove what `plan_forgetting` returns, and what killed runs have left; return it.

    Raises:
        PipelineError: A run is in progress.
    """
    with out_of_use(store.root):
        planned = plan_forgetting(store, digests, dataset)
        for used in planned.runs:
            forget(store.root, used)
        for unneeded in planned.results:
            remove_result(store.root / unneeded.path)
        remove_leftovers(store.root)
        forget_remote(store.root)
        for link in (store.root / "latest").glob("*/*/*"):
            if not link.exists():
                link.unlink()
    return planned


def remove_download(store: Store, dataset: str) -> Path | None:
    """Remove the store's own copy of a downloaded dataset, and return where it was; None if there was none."""
    archive = store.downloads / f"{dataset}.zip"
    there = archive.exists()
    for path in store.downloads.glob(f"{dataset}.zip*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return archive if there else None


def prove(store: Store, digests: Collection[str], dataset: str) -> Proof:
    """Check every kept result: that a run vouches for it, and that no file of it is a photograph or names one by its digest."""
    known = vouched(store.root, digests, dataset)
    folders = {path.relative_to(store.root).as_posix(): path for path, _ in _manifests(store.root)}
    holding = [path for path, folder in folders.items() if path not in known.results or _names_any(folder, digests)]
    return Proof(len(folders), len(known.runs), sorted(holding))


def _names_any(folder: Path, digests: Collection[str]) -> bool:
    texts = (path.read_bytes() for path in folder.rglob("*") if path.suffix in TABLES and path.is_file())
    return any(digest.encode() in text for text in texts for digest in digests)


def _manifests(root: Path) -> Iterator[tuple[Path, Manifest]]:
    """Yield the folder and the manifest of every finished result that has a legible one."""
    for folder in sorted((root / "stages").glob("*/*")):
        if "." not in folder.name and folder.is_dir():
            try:
                yield folder, read_manifest(folder)
            except (OSError, ValueError):
                continue  # it counts as unknown, and nobody vouches for it


def _dataset(used: Used) -> str:
    return used.slot.partition("/")[2]


def _has_files(used: Used, manifests: dict[str, Manifest]) -> bool:
    """Return whether a run has a result with its photographs as files."""
    found = (manifests[path] for path in used.results if path in manifests)
    return any(output.path.startswith("train/") for each in found if each.stage == "dataset" for output in each.outputs)


def _met(used: Used, manifests: dict[str, Manifest]) -> set[str]:
    """Return the paths of what the champion consisted of that a run's model met."""
    decisions = (manifests[path] for path in used.results if path in manifests and manifests[path].stage == "promote")
    return {ref["path"] for each in decisions for ref in each.summary.get("champion", ())}


def _consists_of(appointment: Appointment) -> set[str]:
    candidate = appointment.candidate
    return {candidate.model.path, candidate.cross_validated.path, candidate.decision.path}


def _slots_of(root: Path, dataset: str) -> list[str]:
    return [slot for slot in slots(root) if slot.partition("/")[2] == file_name(dataset)]


def _of_other_champions(root: Path, digests: Collection[str], dataset: str) -> set[str]:
    """Return what the champions of other datasets consist of, unless they know a photograph; their runs may be pruned."""
    own = _slots_of(root, dataset)
    ledgers: Sequence[Iterable[Appointment]] = [standing(read_ledger(root, slot)) for slot in slots(root) if slot not in own]
    kept = (each for ledger in ledgers for each in ledger if not _names_any(each.candidate.decision.folder, digests))
    return set[str]().union(*map(_consists_of, kept))


def _seconds(folder: Path) -> Any:
    try:
        return read_manifest(folder).seconds
    except (OSError, ValueError):
        return None
