"""The images of one view of a shard on disk: files or an archive, and an index beside them."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from pipeline_lib.files.links import link_or_copy
from pipeline_lib.files.table import read_table, write_table
from pipeline_lib.views.view import ARCHIVE, VIEW_INDEX

COLUMNS = ["image", "file", "sha256", "copy_sha256", "sigma", "angle", "flip", "crop", "brightness"]

Row = dict[str, Any]
"""One row of the index by its columns: texts, and numbers before they were written."""


@dataclass(frozen=True)
class Original:
    """An original image: its key ``<split>/<class>/<name>``, its file, and the sha256 of the file's bytes."""

    image: str
    path: Path
    sha256: str


@dataclass
class ViewFolder:
    """One view of a shard: written within a ``with`` block, or read.

    Attributes:
        path: The view's folder.
        packed: Whether the images are in ``images.zip`` and not in files of their own.
        rows: The rows of the index by the digest of the original.
    """

    path: Path
    packed: bool
    rows: dict[str, Row] = field(default_factory=dict)
    _in_order: list[Row] = field(default_factory=list)
    _archive: zipfile.ZipFile | None = None

    @classmethod
    def read(cls, path: Path) -> ViewFolder:
        """Return a view that was written before."""
        rows: list[Row] = [*read_table(path / VIEW_INDEX)]
        return cls(path, (path / ARCHIVE).exists(), {row["sha256"]: row for row in rows}, rows)

    def __enter__(self) -> ViewFolder:
        self.path.mkdir(parents=True, exist_ok=True)
        self._archive = zipfile.ZipFile(self.path / ARCHIVE, "w") if self.packed else None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._archive:
            self._archive.close()
        write_table(self.path / VIEW_INDEX, COLUMNS, self._in_order)

    def images(self) -> list[tuple[Row, Path | zipfile.Path]]:
        """Return the rows of a view that was written before, in their order, each with its image's file."""
        root = zipfile.Path(self.path / ARCHIVE) if self.packed else self.path
        return [(row, root / row["file"]) for row in self._in_order]

    def add(self, original: Original, content: bytes, drawn: Mapping[str, float]) -> None:
        """Add the copy of an image, its bytes and what was drawn for it."""
        row = self._keep({**_origin(original), "copy_sha256": hashlib.sha256(content).hexdigest(), **drawn})
        if self._archive:
            # ZipInfo's own date, 1980: equal images give equal bytes.
            self._archive.writestr(zipfile.ZipInfo(row["file"]), content)
        else:
            self._place(row).write_bytes(content)

    def take(self, original: Original, before: ViewFolder) -> None:
        """Add the copy of an image that another view of the same kind has."""
        known = before.rows[original.sha256]
        row = self._keep({**known, **_origin(original)})
        if self._archive:
            content = (zipfile.Path(before.path / ARCHIVE) / known["file"]).read_bytes()
            self._archive.writestr(zipfile.ZipInfo(row["file"]), content)
        else:
            link_or_copy(before.path / known["file"], self._place(row))

    def _keep(self, row: Row) -> Row:
        self._in_order.append(row)
        return row

    def _place(self, row: Row) -> Path:
        path = self.path / str(row["file"])
        path.parent.mkdir(exist_ok=True)
        return path


def _origin(original: Original) -> Row:
    """Return the columns of a copy's row that say whose copy it is."""
    _, class_name, name = original.image.split("/")
    return {"image": original.image, "file": f"{class_name}/{Path(name).stem}.jpg", "sha256": original.sha256}
