"""How a dataset is laid out in a result: ``train/<class>/`` and ``test/<class>/``, file names, and what lists them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

IMAGES = "images.csv"
COLUMNS = ("split", "class", "name", "source", "width", "height", "mode", "format")
"""Columns of `IMAGES`: where an image is, its path in the dataset that was delivered, and what it is."""

SET_ASIDE = "set_aside.csv"
"""Images that cannot be used: path in the dataset that was delivered, and reason."""

# A file name may have 255 bytes on most disks; later stages add a view's name to the stem.
_LONGEST_STEM = 160
_LONGEST_SUFFIX = 10


def unique_names(paths: Sequence[Path]) -> list[str]:
    """Return a file name for each relative path, so that all fit into one folder.

    Folders become part of the name, which keeps neighbours together: ``a/1.jpg`` -> ``a-1.jpg``. Stems stay unique, letter
    case aside, because later stages name what they derive from an image by its stem: ``1.jpg``, ``1.png`` -> ``1.jpg``,
    ``1-2.png``. The result depends on the paths and their order alone.
    """
    taken: set[str] = set()
    names = []
    for path in paths:
        suffix = printable(path.suffix) if len(path.suffix) <= _LONGEST_SUFFIX else ""
        stem = printable("-".join(path.parts)).removesuffix(suffix)
        if not suffix:
            stem = stem.replace(".", "-")  # what is behind a dot would not count as a part of the stem
        stem = stem.encode()[:_LONGEST_STEM].decode(errors="ignore")
        unique = next(name for name in _variants(stem) if name.casefold() not in taken)
        taken.add(unique.casefold())
        names.append(unique + suffix)
    return names


def _variants(stem: str) -> Iterable[str]:
    yield stem
    for number in itertools.count(2):
        yield f"{stem}-{number}"


def printable(text: str) -> str:
    """Return a name that a UTF-8 file can hold: bytes that are not UTF-8 reach Python as lone surrogates, which none can."""
    return os.fsencode(text).decode(errors="replace")
