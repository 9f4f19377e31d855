from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_lib.evaluation.selection import unseen_in_short
from pipeline_lib.reporting.headline import cards, findings, top1_in_words
from pipeline_lib.reporting.opening import opening
from pipeline_lib.reporting.shown import cross_validate
from pipeline_lib.stages.key import plan
from pipeline_lib.stages.root import ARTIFACTS
from pipeline_lib.stages.store import Store


def score(top1: float, images: int) -> dict[str, Any]:
    shares = {"top1": top1, "top1_low": top1 - 0.02, "top1_high": top1 + 0.02}
    return shares | {"images": images, "n": images, "ece": 0.02, "ece_before": 0.2, "ece_of_chance": 0.01}


def metrics(unseen: float = 0.863, test: float = 0.938, leaked: int = 87, **changes: Any) -> dict[str, Any]:
    return {
        "unseen": score(unseen, 2212),
        "unseen_noisy": score(0.7, 2212),
        "obstacle": "",
        "confidence": 0.95,
        "leaked_images": leaked,
        "corrections": 0,
        "temperature": 0.6,
        "test": score(test, 130),
        "test_without_leaks": score(0.9, 130 - leaked) if leaked < 130 else None,
        "data_new_test": None,
        "data_new_test_without_leaks": None,
    } | changes


def sentence(**changes: Any) -> str:
    found = opening(metrics(**changes))
    assert found
    return found.sentence


def test_the_figure_on_sources_never_seen_comes_before_the_one_as_delivered() -> None:
    found = opening(metrics())
    assert found
    assert [(card.label, card.value, card.interval) for card in found.cards] == [
        ("Accuracy on sources never seen", "86.3%", "84.3–88.3%"),
        ("Accuracy on test as delivered", "93.8%", "91.8–95.8%"),
    ]
    assert found.cards[1].note == "130 photographs, 87 of them from a source that is also in train"


def test_one_sentence_says_why_they_differ() -> None:
    assert sentence() == (
        "Expect 86.3% on new photographs like these, not 93.8%: 87 of the 130 test photographs come from pictures that are "
        "also in train (cropped, turned or copied), so the figure as delivered is mostly about pictures that the network has "
        "learned from."
    )
    assert "1 of the 130 test photographs comes from" in sentence(leaked=1)
    assert "is partly about pictures" in sentence(leaked=1)
    assert "all 130 test photographs come from" in sentence(leaked=130)
    assert "is only about pictures" in sentence(leaked=130)


@pytest.mark.parametrize("test", [0.863, 0.85])
def test_a_test_set_that_leaks_and_is_no_easier_is_not_called_so(test: float) -> None:
    assert sentence(test=test) == (
        "Expect 86.3% on new photographs like these: test is no easier although 87 of the 130 test photographs come from "
        "pictures that are also in train (cropped, turned or copied)."
    )


def test_without_leaks_both_figures_are_honest() -> None:
    assert sentence(leaked=0) == (
        "Expect 86.3% on new photographs like these: no test photograph comes from a source in train, so both figures are "
        "honest, and the first rests on 2,212 photographs instead of 130."
    )


def test_below_the_opening_there_is_no_third_top1_on_clean_photographs() -> None:
    assert [card.label for card in cards(metrics())] == [
        "Noisy views, sources never seen",
        "Calibration error, sources never seen",
    ]
    assert cards(metrics())[0].note == "noisy and rotated views of the same photographs: 16.3 points lower"
    assert findings(metrics()) == []
    assert top1_in_words(metrics()) == "86.3% (84.3 to 88.3) on sources never seen; 93.8% on test as delivered"


def test_without_a_cross_validation_nothing_is_opened_and_a_failed_one_says_why() -> None:
    ours = metrics(unseen_noisy=None, obstacle="Add images") | {"unseen": None}
    assert opening(ours) is None
    assert findings(ours)[0] == "There is no figure on sources never seen. Add images."
    assert top1_in_words(ours) == "90.0% (88.0 to 92.0) without leaks"
    theirs = {name: value for name, value in metrics().items() if name not in ("unseen", "unseen_noisy", "obstacle")}
    assert opening(theirs) is None
    assert findings(theirs)[0].startswith("Of 43 test images")


def shown(write: Callable[[Path], dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv(ARTIFACTS, str(tmp_path))
    store = Store(tmp_path)
    ref = store.build(plan("cross_validate", "slot", "tasks.finetune.cross_validate", {}), "first run", "run", write)
    return cross_validate.show({"cross_validate": ref})


def test_the_section_has_figures_of_all_photographs_and_of_each_split(
    write_cross_validation: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = shown(lambda folder: write_cross_validation(folder, ("a", "b", "c")), tmp_path, monkeypatch)
    facts, scores, *_ = section.blocks
    assert ("photographs judged", "18") in facts.rows
    assert ("photographs not judged", "1, whose class has no other source: a") in facts.rows
    assert [row[0].text for row in scores.rows] == ["all", "all, noisy", "train", "train, noisy"]
    titles = [block.title for block in section.blocks]
    assert {"Calibration", "If what is not sure is left to a person", "Classes", "Confusion matrix"} <= set(titles)
    assert "18 photographs" in section.figure


def test_a_section_without_figures_says_why_in_one_sentence(
    write_cross_validation: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline_lib.evaluation.cross_validation import no_figures
    from pipeline_lib.evaluation.scores import Terms

    def nothing(folder: Path) -> dict[str, Any]:
        return no_figures(folder, "Add images", {"train/a/1": "a"}, Terms(("a",), None, 0.95, 15))

    section = shown(nothing, tmp_path, monkeypatch)
    assert [row for block in section.blocks for row in block.rows] == [("figure", "none. Add images")]
    assert unseen_in_short(nothing(tmp_path))["unseen"] is None
