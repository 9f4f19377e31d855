"""Writing down what a person decided about the labels of photographs."""

from __future__ import annotations

import fcntl
import getpass
import os
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from pipeline_lib.data.decisions import KEEP, REMOVE, unknown_class
from pipeline_lib.data.imagefolder import scan
from pipeline_lib.data.labels_file import DIGEST, read_decisions, read_rows
from pipeline_lib.errors import PipelineError
from pipeline_lib.files.archive_names import read_names
from pipeline_lib.files.clutter import is_clutter
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.files.table import write_table


def digest_of(photograph: str) -> str:
    """Return the sha256 of a photograph that is named by its path, or by that digest itself.

    Raises:
        PipelineError: There is no such file.
    """
    path = Path(photograph).expanduser()
    if path.is_file():
        return file_sha256(path)
    if DIGEST.fullmatch(photograph.lower()):
        return photograph.lower()
    raise PipelineError(
        f"There is no photograph {photograph!r}; give the path of a file, or the sha256 that suspects.csv lists."
    )


def check_label(label: str, dataset: Path) -> None:
    """Refuse what is neither a class of a dataset nor ``remove`` nor ``keep``.

    Of an archive the names are looked at alone, so a folder inside a class passes here, and the next run refuses it.

    Raises:
        PipelineError: The label is neither, or the folder is no dataset.
    """
    classes = _classes(dataset) if dataset.exists() else []
    if classes and label not in (*classes, REMOVE, KEEP):
        raise PipelineError(f"{dataset}: {unknown_class(label, classes)}")


def _classes(dataset: Path) -> list[str]:
    if dataset.is_dir():
        return list(scan(dataset).train)
    with zipfile.ZipFile(dataset) as archive:
        files = [PurePosixPath(name) for name in read_names(archive.infolist()).names if not name.endswith("/")]
    return sorted({file.parent.name for file in files if not any(is_clutter(part) for part in file.parts)})


def record(file: Path, digests: Iterable[str], label: str) -> int:
    """Write down that photographs have a label, in place of earlier decisions on them; return the number of decisions in all.

    Whoever reads the file meanwhile sees the old decisions or the new ones; two people who write at a time lose nothing.

    Args:
        file: The ``labels.csv``, there or not.
        digests: sha256 of the photographs.
        label: A class, ``remove`` or ``keep``.

    Raises:
        PipelineError: What the file holds is not as it should be (see `read_decisions`).
    """
    return record_all(file, dict.fromkeys(digests, label))


def record_all(file: Path, labels: Mapping[str, str]) -> int:
    """Write down the labels of photographs by digest, each of its own, as ``record`` does: all of them, or none."""
    decided = {"who": getpass.getuser(), "when": datetime.now(UTC).isoformat(timespec="seconds")}
    file.parent.mkdir(parents=True, exist_ok=True)
    with _alone_in(file.parent):
        read_decisions(file)  # a file that is wrong is corrected before it grows
        columns, numbered = read_rows(file)
        rows = {row["sha256"].strip().lower(): row for _, row in numbered}
        for digest, label in labels.items():
            named = {"sha256": digest, "label": unicodedata.normalize("NFC", label)}
            rows[digest] = {**rows.get(digest, {}), **named, **decided}
        fresh = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            write_table(fresh, columns, ([row.get(name) for name in columns] for row in rows.values()))
            fresh.replace(file)
        finally:
            fresh.unlink(missing_ok=True)
    return len(rows)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process writes decisions into a folder; a lock on the folder itself leaves no file in it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
