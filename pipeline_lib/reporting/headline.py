"""The figures below a report's opening, or in its place: those that count, and what they do and do not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline_lib.evaluation.selection import CORRECTED, SETS, UNSEEN, WITHOUT_LEAKS, Selection, selections
from pipeline_lib.reporting.blocks import Card
from pipeline_lib.reporting.formats import percent
from pipeline_lib.reporting.opening import top1_card

Metrics = Mapping[str, Any]


def cards(metrics: Metrics) -> list[Card]:
    """Return the headline figures of an evaluation, those that were measured.

    They are about sources never seen where a cross-validation has any to judge, and top-1 is left to the opening; else about
    test, without leaks first, once images leak.
    """
    if metrics.get("unseen"):
        return _unseen(metrics)
    sets = selections(metrics)
    candidates = [
        *(_test(metrics, each) for each in sets),
        _noisy(metrics, sets),
        _calibration(metrics, sets),
    ]
    return [card for card in candidates if card is not None]


def top1_in_words(metrics: Metrics) -> str:
    """Return top-1 with its interval, such as ``80.8% (73.9 to 86.2)``.

    It is that on sources never seen, with the one on test behind it; without a cross-validation that on test: of
    the images that are not in train, where some are. Without test images it is that of their augmented views; without
    either, ``no test images``.
    """
    leaks = bool(metrics["leaked_images"])
    if unseen := metrics.get("unseen"):
        which = "test as delivered" if leaks else "test"
        beside = f"; {100 * metrics['test']['top1']:.1f}% on {which}" if metrics["test"] else ""
        return f"{_with_interval(unseen)} on {UNSEEN['unseen']}{beside}"
    for key, name in SETS.items():
        if score := metrics[f"{key}{WITHOUT_LEAKS if leaks else ''}"]:
            where = "" if key == "test" else f" on {name}"
            return f"{_with_interval(score)}{where}{' without leaks' if leaks else ''}"
    return "no test images outside of train" if leaks else "no test images"


def _with_interval(score: Metrics) -> str:
    low, high = 100 * score["top1_low"], 100 * score["top1_high"]
    return f"{100 * score['top1']:.1f}% ({low:.1f} to {high:.1f})"


def _unseen(metrics: Metrics) -> list[Card]:
    unseen, noisy = metrics["unseen"], metrics["unseen_noisy"]
    where = f", {UNSEEN['unseen']}"
    note = f"{_by_chance(unseen)}; before temperature scaling {percent(unseen['ece_before'])}"
    calibration = Card(f"Calibration error{where}", percent(unseen["ece"]), note)
    if not noisy:
        return [calibration]
    beside = f"noisy and rotated views of the same photographs: {_apart(noisy['top1'], unseen['top1'])}"
    return [top1_card(f"Noisy views{where}", noisy, beside), calibration]


def _by_chance(score: Metrics) -> str:
    return f"a perfectly calibrated network would show {percent(score['ece_of_chance'])} on {score['images']:,} images"


def _images(score: Metrics | None, suffix: str = "") -> str:
    which = " that are not in train" if suffix == WITHOUT_LEAKS else ""
    return f"{score['images']:,} test images{which}" if score else ""


def _test(metrics: Metrics, each: Selection) -> Card | None:
    score = metrics[f"test{each.suffix}"]
    return _score(f"Test{each.words}", score, _images(score, each.suffix))


def _noisy(metrics: Metrics, sets: Sequence[Selection]) -> Card | None:
    main, *others = ((metrics[f"data_new_test{suffix}"], words) for suffix, words in sets)
    beside = "".join(f";{words} {percent(score['top1'])}" for score, words in others if score)
    return _score(f"data_new/test{main[1]}", main[0], f"noisy and rotated views of {_images(main[0])}{beside}")


def _calibration(metrics: Metrics, sets: Sequence[Selection]) -> Card | None:
    main, *others = ((metrics[f"test{suffix}"], words) for suffix, words in sets)
    score, words = main
    if score is None:
        return None
    before = "" if metrics["temperature"] == 1 else f"; before temperature scaling {percent(score['ece_before'])}"
    beside = "".join(f";{said} {percent(other['ece'])}" for other, said in others)
    return Card(f"Calibration error{words}", percent(score["ece"]), f"{_by_chance(score)}{before}{beside}")


def _score(label: str, score: Metrics | None, note: str) -> Card | None:
    return None if score is None else top1_card(label, score, note)


def findings(metrics: Metrics) -> list[str]:
    """Return what an honest reader would say about the figures, one sentence each; the opening has said the first."""
    if metrics.get("unseen"):
        return [_as_corrected(metrics, metrics[f"test{CORRECTED}"])] if metrics.get(f"test{CORRECTED}") else []
    obstacle = metrics.get("obstacle")
    return [*([f"There is no figure on sources never seen. {obstacle}."] if obstacle else []), *_of_test(metrics)]


def _of_test(metrics: Metrics) -> list[str]:
    main, *others = selections(metrics)
    test, noisy, leaked = metrics[f"test{main.suffix}"], metrics[f"data_new_test{main.suffix}"], metrics["leaked_images"]
    if test is None:
        return []
    sentences = [
        f"Of {_images(test, main.suffix)} the network gets {percent(test['top1'])} right; with {metrics['confidence']:.0%} "
        f"confidence its accuracy on such images lies between {percent(test['top1_low'])} and {percent(test['top1_high'])}."
    ]
    if others:
        sentences.append(_as_delivered(metrics["test"], leaked, test["top1"]))
    elif leaked:
        sentences.append("All of them are also in train, so this says nothing about new images.")
    if corrected := metrics.get(f"test{CORRECTED}"):
        sentences.append(_as_corrected(metrics, corrected))
    if noisy:
        share = noisy["top1"]
        copies = f"the noisy and rotated copies of the {test['images']:,}" if others else "their noisy and rotated copies"
        sentences.append(f"On {copies} it gets {percent(share)} right, {_apart(share, test['top1'])}.")
    return sentences


def _as_delivered(test: Metrics, leaked: int, reference: float) -> str:
    which = "the 1 that is also" if leaked == 1 else f"the {leaked:,} that are also"
    return (
        f"Test as delivered, with {which} in train, has {_images(test)}; of these it gets {percent(test['top1'])} right, "
        f"{_apart(test['top1'], reference)}."
    )


def _as_corrected(metrics: Metrics, corrected: Metrics) -> str:
    wrong = f"the {count:,} wrong labels" if (count := metrics["corrections"]) > 1 else "the wrong label"
    return (
        f"With {wrong} of test corrected, it gets {percent(corrected['top1'])} of {_images(corrected)} right, "
        f"{_apart(corrected['top1'], metrics['test']['top1'])}."
    )


def _apart(share: float, reference: float) -> str:
    # Of the rounded figures, so that a reader who subtracts them finds the same.
    points = round(round(100 * share, 1) - round(100 * reference, 1), 1)
    if points == 0:
        return "just as many"
    return f"{abs(points):g} points {'higher' if points > 0 else 'lower'}"
