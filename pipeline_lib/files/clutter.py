"""Files that operating systems leave in folders and archives."""

from __future__ import annotations

_CLUTTER = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "system volume information"}


def is_clutter(name: str) -> bool:
    """Whether a file or folder of this name belongs to an operating system and not to a dataset."""
    return name.startswith(".") or name.casefold() in _CLUTTER
