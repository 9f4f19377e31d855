"""The dataset stage: every image read, decoded once, and laid out as ``train/<class>/`` and ``test/<class>/``."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from pipeline_lib.data.decisions import LABELS, Decisions
from pipeline_lib.data.imagefolder import ImageFolder, scan, set_test_aside
from pipeline_lib.data.layout import COLUMNS, IMAGES, SET_ASIDE, printable, unique_names
from pipeline_lib.data.source import Reader, Source
from pipeline_lib.data.usable import (
    Image,
    Splits,
    arranged,
    counted,
    images_of,
    marked,
    without_forgotten,
    write_decided,
)
from pipeline_lib.errors import PipelineError
from pipeline_lib.files.table import write_table
from pipeline_lib.images.read import ImageFacts, ImageProblem, decode_image
from pipeline_lib.progress import Progress, ignore_progress
from pipeline_lib.settings.sections import DataSettings

SHOWN = 20
"""Number of images set aside that the summary names; `SET_ASIDE` names all."""

_UNPACKED = ".unpacked"

_log = logging.getLogger(__name__)


def build_dataset(
    folder: Path,
    source: Source,
    data: DataSettings,
    *,
    downloads: Path,
    decisions: Decisions = Decisions(),  # noqa: B008  # immutable
    progress: Progress = ignore_progress,
) -> dict[str, Any]:
    """Lay a dataset out in ``folder``, its image bytes unchanged.

    Every image is decoded once. One that cannot be is set aside, and the build goes on as long as no class loses more
    than ``data.max_lost_share`` of its images. ``images.csv`` lists what is there (split, class, name, source path,
    upright width and height in pixels, stored mode, format), ``set_aside.csv`` what is not, and why. Paths are relative
    to the dataset's root.

    Training images are laid out under the classes that people decided on, and those to be forgotten are laid out nowhere: the
    images and tables of the result are those of a dataset that has never had them. Test images are not moved: `corrections` has
    what their labels should be.

    Args:
        folder: Where the result goes. ``folder/.unpacked`` is used on the way and removed.
        source: What to read, as `sources.resolve` found it.
        data: Limits, and the share that becomes test when the dataset has no test split.
        downloads: Folder in which remote archives are kept for the next time.
        decisions: What people decided about the labels.
        progress: Called while a remote archive arrives, and while images are looked at.

    Returns:
        ``name``, ``kind``, ``synthetic`` (whether it is the sample), ``classes`` (sorted), ``counts`` (split -> class ->
        images), ``set_aside`` (broken images: ``count`` and the ``first`` `SHOWN` as path and reason), ``labels`` (see
        `usable.counted`), ``test_split`` (``given`` or ``set aside``), ``archive_sha256`` (None without an archive), ``bytes``
        of all images, and ``names_read_as``: the encoding in which an archive's names were read that do not state theirs (""
        where there are none).

    Raises:
        PipelineError: The bytes cannot be read, are no dataset, changed meanwhile, too many images are broken, or a decision
            cannot be carried out.
    """
    unpacked = folder / _UNPACKED
    folder.mkdir(parents=True, exist_ok=True)
    try:
        reader: Reader = source.readers[0].load()
        with reader(source, unpacked, data, downloads, progress) as opened:
            found = without_forgotten(scan(opened.root, label=source.location), decisions)
            decisions.check(found.train)
            usable, set_aside = _look_at_all(found, data, progress)
            delivered = marked(usable if found.test is not None else _with_test(usable["train"], data.test_share), decisions)
            splits, labels = arranged(delivered), counted(delivered, decisions)
            size = _lay_out(folder, found, splits, move=opened.temporary)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    write_table(folder / SET_ASIDE, ("path", "reason"), [*set_aside, *_removed(delivered, found)])
    _mention_unmatched(decisions, labels["without_image"])
    return {
        "name": source.name,
        "kind": source.kind,
        "synthetic": opened.synthetic,
        "classes": sorted(found.train),
        "counts": {split: {name: len(images) for name, images in classes.items()} for split, classes in splits.items()},
        "set_aside": {
            "count": len(set_aside),
            "first": [{"path": path, "reason": reason} for path, reason in set_aside[:SHOWN]],
        },
        "labels": labels,
        "test_split": "set aside" if found.test is None else "given",
        "archive_sha256": opened.archive_sha256,
        "bytes": size,
        "names_read_as": opened.names_read_as,
    }


def _look_at_all(found: ImageFolder, data: DataSettings, progress: Progress) -> tuple[Splits, list[tuple[str, str]]]:
    """Decode every image once; return the usable ones, and path and reason for the others."""
    splits = {"train": found.train} | ({} if found.test is None else {"test": found.test})
    done, total = itertools.count(1), len(found.files)
    usable: Splits = {split: {} for split in splits}
    set_aside: list[tuple[str, str]] = []
    look = partial(_look, max_megapixels=data.max_megapixels)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for split, name, paths in ((split, *item) for split, classes in splits.items() for item in classes.items()):
            images, problems = [], []
            for path, seen in zip(paths, pool.map(look, paths), strict=True):
                if isinstance(seen, ImageFacts):
                    images.append(Image(path, seen, name, found.within_class(path)))
                else:
                    problems.append((_relative(path, found.root), seen))
                progress(next(done), total, "images")
            _check_loss(f"{split}/{name}", len(paths), problems, data.max_lost_share)
            usable[split][name] = images
            set_aside += problems
    return usable, set_aside


def _look(path: Path, max_megapixels: float) -> ImageFacts | str:
    """Return what the image is, or why it cannot be used."""
    try:
        return decode_image(path, max_megapixels)[1]
    except ImageProblem as problem:
        return str(problem)


def _removed(splits: Splits, found: ImageFolder) -> list[tuple[str, str]]:
    """Return path and reason for the images that people removed from train."""
    removed = [image for split, _, image in images_of(splits) if split == "train" and image.label is None]
    return [(_relative(image.path, found.root), f"removed by {LABELS}") for image in removed]


def _relative(path: Path, root: Path) -> str:
    return printable(path.relative_to(root).as_posix())


def _check_loss(place: str, count: int, problems: list[tuple[str, str]], allowed: float) -> None:
    if problems and (len(problems) > allowed * count or len(problems) == count):
        path, reason = problems[0]
        raise PipelineError(
            f"{place} loses {len(problems)} of its {count} images, more than the share of {allowed:g} that data.max_lost_share "
            f"allows (first: {path}: {reason}); fix or remove them."
        )


def _with_test(train: dict[str, list[Image]], share: float) -> Splits:
    splits: Splits = {"train": {}, "test": {}}
    for name, images in train.items():
        if len(images) < 2:
            raise PipelineError(
                f"Class {name} has only one usable image, so none can be set aside as test; add images or test/."
            )
        splits["train"][name], splits["test"][name] = set_test_aside(images, share)
    return splits


def _lay_out(folder: Path, found: ImageFolder, splits: Splits, *, move: bool) -> int:
    """Put the images in their places and list them; return their total size in bytes."""
    rows, placed, size = [], [], 0
    for split, name, images in ((split, *item) for split, classes in splits.items() for item in classes.items()):
        place = folder / split / name
        place.mkdir(parents=True)
        for image, target in zip(images, unique_names([image.within for image in images]), strict=True):
            _transfer(image.path, place / target, move=move)
            size += (place / target).stat().st_size
            facts = image.facts
            source = _relative(image.path, found.root)
            rows.append((split, name, target, source, facts.width, facts.height, facts.mode, facts.format))
            placed.append((f"{split}/{name}/{target}", image))
    write_table(folder / IMAGES, COLUMNS, rows)
    write_decided(folder, placed)
    return size


def _transfer(path: Path, target: Path, *, move: bool) -> None:
    """Move unpacked files, which saves writing them twice; copy the user's files."""
    try:
        if move:
            path.replace(target)
        else:
            shutil.copyfile(path, target)
    except OSError as error:
        raise PipelineError(f"{path} cannot be copied to {target}: {error.strerror or error}.") from error


def _mention_unmatched(decisions: Decisions, count: int) -> None:
    if count:
        _log.warning(
            "%d of the %d decisions of %s are about no usable image of the dataset",
            count,
            len(decisions.on_labels),
            decisions.file,
        )
