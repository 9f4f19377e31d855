"""What stands at the top of a report: the figures that count, and what they do and do not say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline_lib.reporting.formats import interval, percent
from pipeline_lib.reporting.page import Card

Metrics = Mapping[str, Any]


def cards(metrics: Metrics) -> list[Card]:
    """Return the headline figures of an evaluation, those that were measured."""
    candidates = [_score("Test", metrics["test"], _images(metrics["test"]))]
    if metrics["leaked_images"]:
        clean = metrics["test_without_leaks"]
        candidates.append(_score("Test without leaks", clean, f"{_images(clean)} that are not in train"))
    noisy = metrics["data_new_test"]
    candidates.append(_score("data_new/test", noisy, f"noisy and rotated views of {_images(noisy)}"))
    if metrics["ece"] is not None:
        before = "" if metrics["temperature"] == 1 else f"; before temperature scaling {percent(metrics['ece_before'])}"
        candidates.append(Card("Calibration error", percent(metrics["ece"]), f"0% is perfect{before}"))
    return [card for card in candidates if card is not None]


def _images(score: Metrics | None) -> str:
    return f"{score['images']:,} test images" if score else ""


def _score(label: str, score: Metrics | None, note: str) -> Card | None:
    if score is None:
        return None
    top1, low, high = score["top1"], score["top1_low"], score["top1_high"]
    return Card(label, percent(top1), note, top1, low, high, interval(low, high))


def findings(metrics: Metrics) -> list[str]:
    """Return what an honest reader would say about the figures, one sentence each."""
    test = metrics["test"]
    if test is None:
        return []
    sentences = [
        f"Of {_images(test)} the network gets {percent(test['top1'])} right; with {metrics['confidence']:.0%} confidence "
        f"its accuracy on such images lies between {percent(test['top1_low'])} and {percent(test['top1_high'])}."
    ]
    if metrics["leaked_images"]:
        sentences.append(_leaks(metrics["leaked_images"], test["top1"], metrics["test_without_leaks"]))
    if metrics["data_new_test"]:
        share = metrics["data_new_test"]["top1"]
        sentences.append(f"On their noisy and rotated copies it gets {percent(share)} right, {_apart(share, test['top1'])}.")
    return sentences


def _leaks(leaked: int, top1: float, rest: Metrics | None) -> str:
    which, them = ("1 of them also stands", "it") if leaked == 1 else (f"{leaked:,} of them also stand", "them")
    if rest is None:
        return "All of them also stand in train, so this says nothing about new images."
    return f"{which} in train; without {them} it gets {percent(rest['top1'])} right, {_apart(rest['top1'], top1)}."


def _apart(share: float, reference: float) -> str:
    # Of the rounded figures, so that a reader who subtracts them finds the same.
    points = round(round(100 * share, 1) - round(100 * reference, 1), 1)
    if points == 0:
        return "just as many"
    return f"{abs(points):g} points {'higher' if points > 0 else 'lower'}"
