"""Exports of a model in a folder: all that was asked for, each compared with the model, or nothing at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline_lib.errors import PipelineError, writing_into
from pipeline_lib.export.formats import FORMATS
from pipeline_lib.export.page import readme
from pipeline_lib.export.photographs import Photographs
from pipeline_lib.export.source import Source
from pipeline_lib.export.validation import Validation, compare
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.progress import Progress, ignore_progress
from pipeline_lib.stages.result import json_digest

VALIDATION, README = "validation.json", "README.md"
"""Files beside the exports: the comparison for programs, and for people."""


@dataclass(frozen=True)
class Exported:
    """A file of an export, or a folder of files.

    Attributes:
        format: Name of its format.
        file: Its name.
        bytes: Its size.
        sha256: Its digest; of a folder that of its files' names and digests.
        validation: What the comparison with the model has come to; None where there is nothing to compare.
    """

    format: str
    file: str
    bytes: int
    sha256: str
    validation: Validation | None


def export(
    source: Source, target: Path, formats: Sequence[str], photographs: Photographs, progress: Progress = ignore_progress
) -> list[Exported]:
    """Export a model into a folder, with `VALIDATION` and `README` beside the files, and return what was written.

    A folder of an earlier export is replaced. Files are written into a folder beside it, compared with the model through what
    was written, and moved when all of them meet the bars: a failed export leaves nothing, and an earlier one as it was.

    Args:
        source: The model.
        target: The folder.
        formats: Names in ``FORMATS``, at least one.
        photographs: What to compare on.
        progress: Called for each photograph that is compared.

    Raises:
        PipelineError: The folder holds other files, a file does not answer as the model does, or the disk is full.
    """
    check_target(target)
    with writing_into(target.parent), _partial(target) as folder:
        written = write_files(folder, source, formats, photographs, progress)
        described = describe(source, photographs, written)
        (folder / VALIDATION).write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        (folder / README).write_text(readme(described), encoding="utf-8")
        _replace(target, folder)
    return written


def write_files(
    folder: Path, source: Source, formats: Sequence[str], photographs: Photographs, progress: Progress = ignore_progress
) -> list[Exported]:
    """Write the files alone into an existing folder, each compared with the model; see `export`."""
    return [_written(folder, source, name, photographs, progress) for name in FORMATS if name in formats]


def describe(source: Source, photographs: Photographs, written: Sequence[Exported]) -> dict[str, Any]:
    """Return what was exported and what the comparison has come to, as JSON has it."""
    return {
        "model": source.digest,
        "dataset": source.dataset,
        "photographs": photographs.what,
        "files": [asdict(each) | {"what": FORMATS[each.format].what} for each in written],
    }


def check_target(target: Path) -> None:
    """Raise PipelineError unless a folder is new, empty, or an earlier export and nothing else."""
    if not target.exists():
        return
    if not target.is_dir():
        raise PipelineError(f"{target} is a file; name a folder with --to")
    names = {path.name for path in target.iterdir()}
    own = {VALIDATION, README, *(each.file for each in FORMATS.values())} if VALIDATION in names else set()
    if others := sorted(names - own):
        raise PipelineError(f"{target} holds files that are no export, such as {others[0]}; name another folder with --to")


@contextmanager
def _partial(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside the target, which is gone afterwards unless it was moved."""
    folder = target.with_name(f".{target.name}.{os.getpid()}")
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _written(folder: Path, source: Source, name: str, photographs: Photographs, progress: Progress) -> Exported:
    """Write an export into a folder and compare it with the model through the file."""
    made, validation = FORMATS[name], None
    path = folder / made.file
    held_out = made.write(path, source, photographs)
    if made.open:

        def report(done: int, total: int | None, view: str) -> None:
            progress(done, total, f"{name}, {view}")

        answer = made.open(path, source)
        validation = compare(source.model, source.spec.image_size, answer, photographs.judged, report)
        validation = replace(validation, held_out=held_out)
        validation.check(made.file, made.bars)
    return Exported(name, made.file, *_size_and_digest(path), validation)


def _size_and_digest(path: Path) -> tuple[int, str]:
    if path.is_file():
        return path.stat().st_size, file_sha256(path)
    files = sorted(path.iterdir())
    return sum(file.stat().st_size for file in files), json_digest({file.name: file_sha256(file) for file in files})


def _replace(target: Path, folder: Path) -> None:
    """Move a folder into the place of another one, if there is one."""
    if target.exists():
        old = folder.with_name(f"{folder.name}.old")
        target.rename(old)
        folder.rename(target)
        shutil.rmtree(old)
    else:
        folder.rename(target)
