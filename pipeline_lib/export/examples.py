"""Photographs of train whose rows go with a page that learns, so that it does not forget what it knew."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline_lib.export.photographs import Photograph

EXAMPLES = 8
"""Photographs of each class: with 16 or 32 it forgets no less, see docs/decisions/032-page.md."""


def examples_of(train: Sequence[Photograph]) -> list[Photograph]:
    """Return at most `EXAMPLES` photographs of each class, of as many sources as possible, evenly over the class."""
    taken: list[Photograph] = []
    for label in sorted({each.label or "" for each in train}):
        own = [each for each in train if each.label == label]
        firsts = list({each.source: each for each in reversed(own)}.values())[::-1]
        others = [each for each in own if each not in firsts]
        pool = firsts + others[: max(0, EXAMPLES - len(firsts))]
        count = min(EXAMPLES, len(pool))
        taken += [pool[number * len(pool) // count] for number in range(count)]
    return taken
