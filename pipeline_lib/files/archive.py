"""Unpacking untrusted zip archives: only into the folder, only plain files, only up to a limit."""

from __future__ import annotations

import logging
import re
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline_lib.errors import PipelineError
from pipeline_lib.files.archive_names import read_names
from pipeline_lib.files.clutter import is_clutter

_CHUNK = 1 << 16
_ENCRYPTED = 0x1
_DEEPEST = 100  # folders above an entry: a dataset has two or three, and making a thousand at once exhausts the stack
# A drawing of one colour compresses a thousandfold and is harmless: the ratio is checked from this many bytes on.
_SMALL = 1 << 20
# Python's bz2 and lzma readers unpack a whole chunk at once, however large it grows, so no limit would be effective.
_BOUNDED_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What `zipfile` raises for damaged bytes: besides its own error, those of decoding a name and of seeking an offset.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError)

_log = logging.getLogger(__name__)


def extract_zip(archive: Path, folder: Path, *, max_files: int, max_bytes: int, max_ratio: float) -> str:
    """Unpack a zip archive into a folder that is new or empty.

    All names are judged before the first byte is written, sizes while writing: what an archive claims about itself is
    believed nowhere. System files (``__MACOSX``, ``.DS_Store`` and the like) are passed over. Names that do not state their
    encoding are read as `archive_names.read_names` says, with a warning unless it is UTF-8. An error leaves what was
    unpacked before it.

    Args:
        archive: The zip file.
        folder: Where its content goes; it is made.
        max_files: Most entries, folders included.
        max_bytes: Most bytes written in all.
        max_ratio: Largest ratio of bytes written to bytes packed, of one entry and of the whole, beyond 1 MiB.

    Returns:
        The encoding in which names were read that do not state theirs; "" where there are none.

    Raises:
        PipelineError: The file is no zip archive or is damaged, or an entry is refused; the message names it.
    """
    with _opened(archive) as packed:
        names, encoding = read_names(packed.filelist)
        items = _judged(archive, packed.filelist, names, max_files)
        budget = _Budget(archive, max_bytes, max_ratio)
        folder.mkdir(parents=True, exist_ok=True)
        for item in items:
            _unpack(packed, item, folder, budget)
    if encoding not in ("", "UTF-8"):
        notice = "%s does not state how its file names are encoded; they are read as %s, such as %s"
        _log.warning(notice, archive, encoding, next((item.name for item in items if not item.name.isascii()), "none"))
    return encoding


class _Item(NamedTuple):
    """An entry, its name as people read it, and where it goes, relative to the folder."""

    entry: zipfile.ZipInfo
    name: str
    place: PurePosixPath

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/")


def _opened(archive: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except _DAMAGE as error:
        raise PipelineError(f"{archive} is not a zip archive, or it is damaged ({error}); download it again.") from error
    except OSError as error:
        raise PipelineError(f"{archive} cannot be read: {error.strerror or error}.") from error


def _refusal(archive: Path, entry: str, reason: str) -> PipelineError:
    return PipelineError(f"{archive} cannot be unpacked: entry {entry!r} {reason}.")


def _judged(archive: Path, entries: list[zipfile.ZipInfo], names: list[str], max_files: int) -> list[_Item]:
    """Return the items to unpack; refuse an archive with an entry that must not be unpacked."""
    items: dict[PurePosixPath, _Item] = {}
    for number, (entry, name) in enumerate(zip(entries, names, strict=True), start=1):
        item = _Item(entry, name, PurePosixPath(name))
        fault = f"exceeds the {max_files} files allowed (data.max_files)" if number > max_files else ""
        fault = fault or _fault_of_name(name) or _fault_of_kind(entry)
        earlier = items.get(item.place)
        if earlier and not (earlier.is_folder and item.is_folder):
            fault = fault or f"has the same place as {earlier.name!r}"
        if fault:
            raise _refusal(archive, name, fault)
        if not any(is_clutter(part) for part in item.place.parts):
            items[item.place] = item
    return list(items.values())


def _fault_of_name(name: str) -> str:
    if name.startswith("/"):
        return "has an absolute path"
    if re.match(r"[A-Za-z]:", name):
        return "names a drive"
    if ".." in name.split("/"):
        return "leads out of the folder"
    if name.count("/") > _DEEPEST:
        return f"lies more than {_DEEPEST} folders deep"
    if "\0" in name or not name:
        return "has no usable name"
    return ""


def _fault_of_kind(entry: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is neither a file nor a folder"
    if entry.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if entry.compress_type not in _BOUNDED_METHODS:
        return f"is compressed by method {entry.compress_type} instead of the usual deflate"
    return ""


class _Budget:
    """Counts the bytes that are really written, over a whole archive."""

    def __init__(self, archive: Path, max_bytes: int, max_ratio: float) -> None:
        self.archive = archive
        self._packed = archive.stat().st_size
        self._max_bytes = max_bytes
        self._max_ratio = max_ratio
        self._written = 0

    def spend(self, item: _Item, count: int, of_item: int) -> None:
        """Count bytes that are about to be written, ``of_item`` of them to the item's file in all; refuse too many."""
        self._written += count
        if self._written > self._max_bytes:
            excess = f"makes it larger than the {self._max_bytes / 1e6:g} MB allowed (data.max_unpacked_mb)"
            raise _refusal(self.archive, item.name, excess)
        # The packed size of one entry is only claimed, that of the archive is known.
        if self._is_absurd(of_item, item.entry.compress_size) or self._is_absurd(self._written, self._packed):
            excess = f"unpacks to more than {self._max_ratio:g} times its packed size (data.max_compression)"
            raise _refusal(self.archive, item.name, excess)

    def _is_absurd(self, written: int, packed: int) -> bool:
        return written > _SMALL and written > self._max_ratio * packed


def _unpack(packed: zipfile.ZipFile, item: _Item, folder: Path, budget: _Budget) -> None:
    target = folder / item.place
    try:
        if item.is_folder:
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(packed, item, target, budget)
    except _DAMAGE as error:
        raise _refusal(budget.archive, item.name, f"is damaged ({error or 'cut short'})") from error
    except OSError as error:
        raise _refusal(budget.archive, item.name, f"cannot be read or written ({error.strerror or error})") from error


def _write(packed: zipfile.ZipFile, item: _Item, target: Path, budget: _Budget) -> None:
    written = 0
    # "x" refuses to overwrite: on a disk that ignores letter case two names can be one file.
    with packed.open(item.entry) as source, target.open("xb") as stream:
        while piece := source.read(_CHUNK):
            written += len(piece)
            budget.spend(item, len(piece), written)
            stream.write(piece)
