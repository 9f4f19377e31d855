"""The smallest set of changes that matters: delta debugging."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

Change = TypeVar("Change", bound=Hashable)


def smallest(changes: Sequence[Change], matters: Callable[[frozenset[Change]], bool]) -> frozenset[Change]:
    """Return a set of changes that matters and of which none can be left out, given that all of them together matter.

    Chunks are tried alone, then all but a chunk, then smaller chunks. Where changes act one by one, it takes about twice the
    logarithm of their number of trials; at worst the square.

    Source: A. Zeller and R. Hildebrandt, "Simplifying and isolating failure-inducing input", IEEE Transactions on Software
    Engineering 28 (2002), the algorithm ddmin.
    """
    left, parts = list(changes), 2
    while len(left) > 1:
        chunks = [left[len(left) * at // parts : len(left) * (at + 1) // parts] for at in range(parts)]
        if chunk := next((each for each in chunks if matters(frozenset(each))), None):
            left, parts = chunk, 2
            continue
        rests = ([each for each in left if each not in chunk] for chunk in chunks) if parts > 2 else iter(())
        if rest := next((each for each in rests if matters(frozenset(each))), None):
            left, parts = rest, max(parts - 1, 2)
        elif parts < len(left):
            parts = min(2 * parts, len(left))
        else:
            break
    return frozenset(left)
