"""Finding the images of a dataset: ``train/<class>/`` and ``test/<class>/``, checked for problems that prevent training."""

from __future__ import annotations

import logging
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pipeline_lib.errors import PipelineError, advice_on
from pipeline_lib.files.clutter import is_clutter

Classes = dict[str, list[Path]]
"""Class name -> its files in file-name order."""

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageFolder:
    """The files of a dataset, unopened.

    Attributes:
        root: The folder that holds ``train``, or the class folders themselves.
        train: Training files by class, classes sorted.
        test: Test files of the same classes; None when the dataset has no test split.
        flat: Whether the class folders lie directly in ``root``, without ``train`` above them.
    """

    root: Path
    train: Classes
    test: Classes | None
    flat: bool = False

    def within_class(self, path: Path) -> Path:
        """Return a file's path relative to its class folder."""
        return Path(*path.relative_to(self.root).parts[1 if self.flat else 2 :])

    @property
    def files(self) -> list[Path]:
        """All files: train before test, by class, in file-name order."""
        return [path for split in (self.train, self.test or {}) for paths in split.values() for path in paths]


def scan(root: Path, label: str | None = None) -> ImageFolder:
    """Find the images below a folder.

    Three layouts are understood, in this order, each in ``root`` itself or in the only folder inside it:

    * ``train/<class>/**`` and ``test/<class>/**``;
    * ``train/<class>/**`` alone;
    * ``<class>/*``, all of it train: two or more folders, each with files directly in it, none called train or test.

    Below a class all folders are searched. Hidden and system files are passed over, links are followed, a link back to a
    folder above it is not. Class names are compared and returned in Unicode's composed form (NFC).

    Args:
        root: Where to look.
        label: What messages call the dataset; ``root`` by default.

    Raises:
        PipelineError: There is no ``train``; a class is empty; there is a single class; train and test differ in their
            classes; two classes differ by letter case alone; a folder cannot be read.
    """
    label = label or str(root)
    try:
        base = _base(root, label)
        splits = [base / name for name in ("train", "test") if (base / name).is_dir()]
        train = _classes(splits[0] if splits else base, label)
        test = _classes(splits[1], label) if len(splits) > 1 else None
        if splits:
            _mention_ignored(base, splits)
    except OSError as error:
        advice = f"; {advice_on(error)}" if advice_on(error) else ""
        raise PipelineError(f"{error.filename} cannot be read: {error.strerror}{advice}.") from error
    _check_names([*train, *(test or {})], label)
    _check_classes(train, test, label)
    return ImageFolder(base, train, test, flat=not splits)


def set_test_aside(items: Sequence[_T], share: float) -> tuple[list[_T], list[_T]]:
    """Split a class that has no test images: its last items in file-name order become test, the others stay train.

    Images of one source stand next to each other in file-name order. A contiguous tail keeps them on one side, where a
    shuffled choice would show the test images' neighbours to the training.

    Args:
        items: One class's images in file-name order, at least two.
        share: Share that becomes test, 0..1; at least one image does, and at least one stays.
    """
    count = min(max(1, round(share * len(items))), len(items) - 1)
    return list(items[:-count]), list(items[-count:])


def _base(root: Path, label: str) -> Path:
    folders = _subfolders(root)
    inner = folders if len(folders) == 1 and folders[0].name.casefold() != "test" else []
    for base in (root, *inner):
        if (base / "train").is_dir():
            return base
    for base in (root, *inner):
        if _holds_classes(base):
            return base
    found = ", ".join(folder.name for folder in folders[:5]) or "no folders"
    raise PipelineError(
        f"{label} has no folder train/ with a folder of images for each class, neither in itself nor in its only subfolder "
        f"(found: {found}{' ...' if len(folders) > 5 else ''}); arrange it as train/<class>/ and test/<class>/."
    )


def _holds_classes(base: Path) -> bool:
    folders = _subfolders(base)
    named_as_split = any(folder.name.casefold() in ("train", "test") for folder in folders)
    return len(folders) > 1 and not named_as_split and all(_holds_files(folder) for folder in folders)


def _holds_files(folder: Path) -> bool:
    return any(entry.is_file() and not is_clutter(entry.name) for entry in folder.iterdir())


def _subfolders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not is_clutter(entry.name))


def _classes(split: Path, label: str) -> Classes:
    classes: Classes = {}
    for folder in _subfolders(split):
        name = unicodedata.normalize("NFC", folder.name)
        files = files_below(folder)
        if not files:
            raise PipelineError(f"Class {name} of {label} is empty ({split.name}/{name}); add images or remove the folder.")
        classes.setdefault(name, []).extend(files)
    return dict(sorted(classes.items()))


def files_below(top: Path) -> list[Path]:
    """Return all files in a folder and the folders below it, sorted.

    Hidden and system files are passed over. Links are followed, a link back to a folder above it is not. A link that leads
    nowhere, or to itself, is listed: it is an image that someone misses. Pipes and devices are not.

    Raises:
        OSError: A folder cannot be read.
    """
    found: list[Path] = []
    waiting: list[tuple[Path, frozenset[tuple[int, int]]]] = [(top, frozenset())]
    while waiting:
        folder, above = waiting.pop()
        status = folder.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            continue
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_clutter(entry.name):
                    continue
                leads_nowhere = entry.is_symlink() and not Path(entry.path).exists()
                if leads_nowhere or entry.is_file():
                    found.append(Path(entry.path))
                elif entry.is_dir():
                    waiting.append((Path(entry.path), above | {identity}))
    return sorted(found)


def _mention_ignored(base: Path, splits: Sequence[Path]) -> None:
    others = [folder.name for folder in _subfolders(base) if folder not in splits]
    loose = sorted(path.name for split in splits for path in split.iterdir() if not path.is_dir() and not is_clutter(path.name))
    if others:
        _log.warning("Folders beside train and test are ignored: %s", ", ".join(others))
    if loose:
        _log.warning("Files that lie in no class folder are ignored: %d, first %s", len(loose), loose[0])


def _check_names(names: list[str], label: str) -> None:
    spelling: dict[str, str] = {}
    for name in names:
        other = spelling.setdefault(name.casefold(), name)
        if other != name:
            raise PipelineError(f"Classes {other} and {name} of {label} differ only in letter case; rename or merge them.")
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
            raise PipelineError(f"The class name {name!r} of {label} contains characters that cannot be shown; rename it.")


def _check_classes(train: Classes, test: Classes | None, label: str) -> None:
    if test is not None and train.keys() != test.keys():
        sides = (("train", train.keys() - test.keys()), ("test", test.keys() - train.keys()))
        differences = "; ".join(f"only in {split}: {', '.join(sorted(names))}" for split, names in sides if names)
        raise PipelineError(f"Train and test of {label} have different classes ({differences}); both need the same folders.")
    if len(train) < 2:
        only = ", ".join(train) or "none"
        raise PipelineError(f"{label} needs at least two classes, but train/ has one or none ({only}).")
