"""How often a test set was looked at, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_lib.evaluation.looks import Looks


def looks_in_words(looks: Looks) -> str:
    """Return how often the test set was looked at, and how many settings were compared on it."""
    times = "once" if looks.times == 1 else f"{looks.times:,} times"
    compared = "1 setting" if looks.settings == 1 else f"{looks.settings:,} settings"
    return f"This test set has been looked at {times}; {compared} compared."


def optimism_in_words(looks: Looks, figure: str = "The top-1 of this run") -> str:
    """Return what a figure owes to chance by being the highest of several; empty unless it is."""
    if looks.optimism is None:
        return ""
    return (
        f"{figure} is the highest of {looks.models:,} models on this test set. The best of as many equally good "
        f"models exceeds its true accuracy by up to {100 * looks.optimism:.1f} points on average, by chance alone: the "
        "standard error times the expected maximum of as many standard normal variables, and less where the models err on the "
        "same images. What a model that was chosen for this figure is worth, only images that nobody has looked at can say."
    )
