"""A patch enters a dataset: new photographs go into its folder, corrected labels into ``labels.csv``; all of it, or nothing."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline_lib.data.decisions import KEEP
from pipeline_lib.data.imagefolder import Classes, ImageFolder, scan, set_test_aside
from pipeline_lib.data.labels_file import labels_file, read_decisions
from pipeline_lib.errors import PipelineError, writing_into
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.labels.patch import Taught, read_patch
from pipeline_lib.labels.record import record_all
from pipeline_lib.settings.sections import DataSettings

LEAST = 2
"""Photographs of a new class: one to train on and one to test with."""


@dataclass(frozen=True)
class Ingested:
    """What a patch changes.

    Attributes:
        added: New photographs by class.
        new_classes: Classes that the dataset did not have.
        relabelled: Photographs of the dataset whose label it corrects, by their path in it, with the new class.
        present: Photographs that are there already under the class that it says, by their path in the dataset.
    """

    added: Mapping[str, int]
    new_classes: Sequence[str]
    relabelled: Mapping[str, str]
    present: Sequence[str]


@dataclass(frozen=True)
class _Plan:
    """What is to be done: moves of files, decisions on labels by digest, and what that comes to."""

    moves: list[tuple[Path, Path]]
    decisions: dict[str, str]
    result: Ingested


def ingest(patch: Path, dataset: Path, *, dry: bool = False) -> Ingested:
    """Put what a patch has into a dataset.

    A photograph is known by its bytes. One that is new goes to ``train/<class>/``; of a new class the last fifth goes to
    ``test/<class>/`` where there is a test. One that is there under another class gets a decision in ``labels.csv``, and one
    that is there under the same class is left alone, so a second ingest changes nothing. Nothing is written before everything
    was checked, and an error undoes what was moved.

    Args:
        patch: The archive.
        dataset: Folder of a dataset.
        dry: Change nothing, and return what would be changed.

    Raises:
        PipelineError: The patch cannot be used (see ``read_patch``), the folder is no dataset, the two do not go together, or
            the disk is full.
    """
    if not dataset.is_dir():
        raise PipelineError(f"{dataset} is no folder; photographs go into the folder of a dataset (unpack an archive first)")
    folder = scan(dataset)
    with writing_into(dataset), tempfile.TemporaryDirectory(prefix=".ingest-", dir=dataset) as scratch:
        plan = _planned(read_patch(patch, Path(scratch, "patch")), folder, dataset)
        if not dry:
            with _moved(plan.moves):
                if plan.decisions:
                    record_all(labels_file(dataset), plan.decisions)
    return plan.result


def _planned(taught: Sequence[Taught], folder: ImageFolder, dataset: Path) -> _Plan:
    decided = read_decisions(labels_file(dataset)).labels
    _check_spelling(taught, folder.train)
    known = {file_sha256(path): (label, path) for label, path in _labelled(folder)}
    new = [each for each in taught if each.sha256 not in known]
    decisions, relabelled, present = {}, {}, []
    for each in taught:
        delivered, path = known.get(each.sha256, (each.label, each.path))
        decision = decided.get(each.sha256, KEEP)
        name = str(path.relative_to(dataset)) if path != each.path else ""
        if each.label != (delivered if decision == KEEP else decision):
            decisions[each.sha256] = KEEP if each.label == delivered else each.label
            relabelled.update({name: each.label} if name else {})
        elif name:
            present.append(name)
    added = Counter(each.label for each in new)
    fresh = sorted({each.label for each in taught} - folder.train.keys())
    for label in fresh:
        if added[label] < LEAST:
            raise PipelineError(
                f"The class {label} is new and has {added[label]} new photograph{'s' * (added[label] != 1)} in the patch; "
                f"at least {LEAST} are needed, to train on and to test with"
            )
    moves = [(each.path, target) for each, target in _places(new, folder, fresh)]
    if taken := [target for _, target in moves if target.exists()]:
        raise PipelineError(f"{taken[0]} is there and has other content than its name says; rename it")
    return _Plan(moves, decisions, Ingested(dict(sorted(added.items())), fresh, relabelled, present))


def _labelled(folder: ImageFolder) -> Iterator[tuple[str, Path]]:
    splits: tuple[Classes, Classes] = (folder.train, folder.test or {})
    return ((label, path) for split in splits for label, paths in split.items() for path in paths)


def _check_spelling(taught: Sequence[Taught], classes: Classes) -> None:
    spelt = {name.casefold(): name for name in classes}
    for each in taught:
        other = spelt.setdefault(each.label.casefold(), each.label)
        if other != each.label:
            raise PipelineError(
                f"The patch has the class {each.label}, and there is {other}, which differs in letter case alone"
            )


def _places(new: Sequence[Taught], folder: ImageFolder, fresh: Sequence[str]) -> Iterator[tuple[Taught, Path]]:
    """Yield each new photograph with its place in the dataset."""
    train = folder.root if folder.flat else folder.root / "train"
    for label in dict.fromkeys(each.label for each in new):
        own = [each for each in new if each.label == label]
        if label in fresh and folder.test is not None:
            own, aside = set_test_aside(own, DataSettings().test_share)
            yield from ((each, folder.root / "test" / label / _name(each)) for each in aside)
        home = train / label if label in fresh else train / _first_folder(folder.train[label][0], train)
        yield from ((each, home / _name(each)) for each in own)


def _first_folder(path: Path, top: Path) -> str:
    """Return the name of a class's folder as the disk spells it."""
    return path.relative_to(top).parts[0]


def _name(taught: Taught) -> str:
    return f"{taught.sha256[:16]}{taught.path.suffix}"


@contextmanager
def _moved(moves: Sequence[tuple[Path, Path]]) -> Iterator[None]:
    """Move files, and move them back if anything fails inside."""
    done: list[tuple[Path, Path]] = []
    made: list[Path] = []
    try:
        for path, target in moves:
            if not target.parent.exists():
                target.parent.mkdir()
                made.append(target.parent)
            path.rename(target)
            done.append((path, target))
        yield
    except BaseException:
        for path, target in reversed(done):
            target.rename(path)
        for folder in made:
            folder.rmdir()
        raise
