"""What a report opens with: top-1 on sources never seen beside top-1 on test as delivered, and why they differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline_lib.reporting.blocks import Card, Opening
from pipeline_lib.reporting.formats import interval, percent

Metrics = Mapping[str, Any]


def opening(metrics: Metrics) -> Opening | None:
    """Return the two figures and the sentence that explains them; None where nothing was cross-validated."""
    unseen, test, leaked = metrics.get("unseen"), metrics["test"], metrics["leaked_images"]
    if not unseen:
        return None
    cards = [
        top1_card(
            "Accuracy on sources never seen",
            unseen,
            f"{_photographs(unseen)}, each judged by a network trained without its source",
        )
    ]
    if test:
        of_them = f"{leaked:,} of them from a source that is also in train" if leaked else "none from a source that is in train"
        label = "Accuracy on test as delivered" if leaked else "Accuracy on the test split"
        cards.append(top1_card(label, test, f"{_photographs(test)}, {of_them}"))
    return Opening(cards, f"Expect {percent(unseen['top1'])} on new photographs like these{_difference(unseen, test, leaked)}.")


def top1_card(label: str, score: Metrics, note: str) -> Card:
    """Return top-1 with its interval as a headline figure."""
    top1, low, high = score["top1"], score["top1_low"], score["top1_high"]
    return Card(label, percent(top1), note, top1, low, high, interval(low, high))


def _photographs(score: Metrics) -> str:
    return f"{score['images']:,} photograph{'' if score['images'] == 1 else 's'}"


def _difference(unseen: Metrics, test: Metrics | None, leaked: int) -> str:
    """Return the second half of the sentence: why the figure on test is another one."""
    if not test:
        return ""
    images = test["images"]
    if not leaked:
        return (
            f": no test photograph comes from a source in train, so both figures are honest, and the first rests on "
            f"{_photographs(unseen)} instead of {images:,}"
        )
    which = f"all {images:,}" if leaked == images else f"{leaked:,} of the {images:,}"
    come = "comes" if leaked == 1 else "come"
    copies = f"test photographs {come} from pictures that are also in train (cropped, turned or copied)"
    if percent(test["top1"]) == percent(unseen["top1"]) or test["top1"] < unseen["top1"]:
        return f": test is no easier although {which} {copies}"
    how_much = "only" if leaked == images else "mostly" if 2 * leaked > images else "partly"
    return (
        f", not {percent(test['top1'])}: {which} {copies}, so the figure as delivered is {how_much} about pictures that the "
        "network has learned from"
    )
