"""Which sets of images there are figures on, the main one first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

WITHOUT_LEAKS = "_without_leaks"
"""What follows the names of figures and tables on the test images that are not in train."""

CORRECTED = "_corrected"
"""What follows the names of figures on all test images with the labels that people decided on."""

SETS = {"test": "test", "data_new_test": "data_new/test"}
"""What is judged, by its key in ``metrics.json``, and what it is called: test, and its augmented views."""


UNSEEN = {"unseen": "sources never seen", "unseen_noisy": "sources never seen, noisy"}
"""What a cross-validation judges, train and test together: clean views, and augmented ones."""


def unseen_in_short(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an evaluation repeats of a cross-validation: figures of all photographs, or why there are none."""
    short: dict[str, Any] = {
        name: summary[name] and {key: value for key, value in summary[name].items() if not isinstance(value, Mapping | list)}
        for name in UNSEEN
    }
    return short | {"obstacle": summary["obstacle"]}


class Selection(NamedTuple):
    """A set of test images.

    Attributes:
        suffix: What follows the names of its figures and tables.
        words: What it is called behind the name of a figure, such as `` without leaks``; empty where there is one set alone.
    """

    suffix: str
    words: str

    @property
    def anchor(self) -> str:
        """What follows the names of its pictures."""
        return self.suffix.replace("_", "-")


def selections(metrics: Mapping[str, Any]) -> list[Selection]:
    """Return the sets that an evaluation's ``metrics.json`` has figures on.

    Once test images leak, the main set is the one without them, and test as delivered is shown beside it. Where none leaks, or
    all do, there is one set.
    """
    remaining = any(metrics.get(f"{name}{WITHOUT_LEAKS}") for name in SETS)
    if metrics["leaked_images"] and remaining:
        return [Selection(WITHOUT_LEAKS, " without leaks"), Selection("", " as delivered")]
    return [Selection("", "")]


def scored(metrics: Mapping[str, Any]) -> list[Selection]:
    """Return the sets that are scored: those of `selections` and, where labels of test were corrected, test with these."""
    sets = selections(metrics)
    if not metrics["corrections"]:
        return sets
    sets[-1] = sets[-1]._replace(words=" as delivered")
    return [*sets, Selection(CORRECTED, " with corrected labels")]
