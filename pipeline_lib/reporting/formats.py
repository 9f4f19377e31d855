"""Numbers as a reader wants them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOTHING = "–"


def percent(share: float | None) -> str:
    """Return a share of 0..1 with one decimal, such as ``95.4%``; a dash for none."""
    return NOTHING if share is None else f"{100 * share:.1f}%"


def interval(low: float | None, high: float | None) -> str:
    """Return an interval of shares, such as ``90.4–97.9%``; a dash for none."""
    return NOTHING if low is None or high is None else f"{100 * low:.1f}–{percent(high)}"


def signed(difference: float) -> str:
    """Return a difference of shares, -1..1, in points with its sign, such as ``+1.3``."""
    return f"{100 * difference:+.1f}"


def value(item: Any) -> str:
    """Return a fact or setting as text: ``yes``/``no``, no more digits than it has, lists with commas, a dash for none."""
    if item is None:
        return NOTHING
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, int):
        return f"{item:,}" if abs(item) >= 10_000 else str(item)
    if isinstance(item, float):
        return f"{item:.6g}"
    if isinstance(item, list | tuple):
        return ", ".join(map(value, item)) or NOTHING
    return str(item)


def split_in_words(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Return the images of each split by class as text, such as ``2,082 train and 130 test images``."""
    return f"{' and '.join(f'{sum(classes.values()):,} {split}' for split, classes in counts.items())} images"


def duration(seconds: float) -> str:
    """Return a duration, such as ``0.35 s``, ``12.3 s`` or ``2 min 5 s``."""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    return "{} min {} s".format(*divmod(round(seconds), 60))
