"""The names in a zip archive as people read them, whatever encoding the tool that packed them used."""

from __future__ import annotations

import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Sequence
from typing import NamedTuple

_UTF8 = 0x800
_UNICODE_PATH = 0x7075
"""Info-ZIP's extra field with the name in UTF-8, beside one in the encoding of the machine that packed it."""

_SPOKEN = {"utf-8": "UTF-8", "gbk": "GBK", "cp437": "code page 437"}


class Names(NamedTuple):
    """The names of an archive's entries, in their order, and how names without a stated encoding were read.

    Attributes:
        names: With forward slashes, in Unicode's composed form (NFC).
        encoding: What was guessed, such as ``GBK``; "" when every name states its encoding or is plain ASCII.
    """

    names: list[str]
    encoding: str


def read_names(entries: Sequence[zipfile.ZipInfo]) -> Names:
    """Return the names of an archive's entries.

    A name counts as UTF-8 when its flag says so, and as what Info-ZIP's Unicode field holds when there is one. All others
    are judged together, for one tool has written them on one machine: they are UTF-8 if all of them are valid UTF-8; else
    GBK, which Windows writes in China, if they decode to characters in common use (GB 2312); else code page 437, as the
    format says. The machine's own locale plays no part.
    """
    stated = [_stated(entry) for entry in entries]
    raw = [entry.orig_filename.encode("cp437") if name is None else b"" for entry, name in zip(entries, stated, strict=True)]
    unstated = [name for name in raw if not name.isascii()]
    encodings = _encodings(unstated)
    guessed = {name: next(each for each in encodings if _decodes(name, each)) for name in unstated}
    names = [one.decode(guessed.get(one, "ascii")) if name is None else name for one, name in zip(raw, stated, strict=True)]
    composed = [unicodedata.normalize("NFC", name.replace("\\", "/")) for name in names]
    return Names(composed, " and ".join(_SPOKEN[each] for each in encodings if each in guessed.values()))


def _stated(entry: zipfile.ZipInfo) -> str | None:
    """Return a name that states its encoding, None for one that does not."""
    if entry.flag_bits & _UTF8:
        return entry.orig_filename
    raw, extra = entry.orig_filename.encode("cp437"), entry.extra
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        # The field holds a version, the CRC-32 of the name it belongs to, and the name. A tool that does not know the
        # field may have renamed the entry since: the CRC shows it.
        if kind == _UNICODE_PATH and field[:5] == struct.pack("<BI", 1, zlib.crc32(raw)) and _decodes(field[5:], "utf-8"):
            return field[5:].decode("utf-8")
    return None


def _encodings(names: Sequence[bytes]) -> tuple[str, ...]:
    """Return the encodings in which each name is tried in turn; the last one reads every name."""
    strangers = [name for name in names if not _decodes(name, "utf-8")]
    if not strangers:
        return ("utf-8",)
    if not _are_chinese(strangers):
        return ("utf-8", "cp437")
    return ("gbk",) if _are_chinese(names) else ("utf-8", "gbk")


def _are_chinese(names: Sequence[bytes]) -> bool:
    r"""Whether names are valid GBK and at least half of their characters in common use.

    Most names in other encodings are valid GBK by chance (``M\x81ll``), but to characters that hardly anybody writes.
    """
    if not all(_decodes(name, "gbk") for name in names):
        return False
    characters = [character for name in names for character in name.decode("gbk") if not character.isascii()]
    common = [character for character in characters if character.encode("gb2312", errors="ignore")]
    return 2 * len(common) >= len(characters)


def _decodes(name: bytes, encoding: str) -> bool:
    try:
        name.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
