"""The nights of a dataset: each once, in their order, up to the one that asks."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.evaluation.nights import Figure, Night, add_night, figures_of, known_nights, read_nights, write_nights
from pipeline_lib.stages.key import plan
from pipeline_lib.stages.store import Store

FIGURE = Figure(top1=0.8, low=0.75, high=0.85)


def night(number: int, decision: str = "promoted") -> Night:
    figures = {"unseen": FIGURE, "unseen_noisy": None, "test": FIGURE}
    return Night(when=f"2026-03-{number:02}T02:30:00", decision=decision, key=f"key {number}", figures=figures)


@given(st.lists(st.integers(1, 28)), st.integers(1, 28))
def test_a_night_that_is_known_is_added_once_and_ends_the_list(known: list[int], last: int) -> None:
    numbers = sorted({*(number for number in known if number <= last), last})
    assert add_night([night(each) for each in known], night(last)) == [night(each) for each in numbers]


def test_a_night_that_is_repeated_is_what_it_was() -> None:
    later = night(5).model_copy(update={"when": "2026-03-09T12:00:00"})
    assert add_night([night(5), night(7)], later) == [night(5)]


def test_nights_outlive_the_results_they_were_read_from_and_keep_to_their_slot(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for slot, numbers in (("flow/pictures", [1, 2]), ("flow/pictures", [1, 2, 3]), ("flow/others", [4])):
        nights = [night(number, "kept") for number in numbers]
        planned = plan("nights", slot, "tasks.finetune.nights", {"slot": slot, "nights": nights})
        store.build(planned, "first run", "run", lambda folder, nights=nights: write_nights(folder, nights) or {})  # type: ignore[misc]
    assert add_night(known_nights(tmp_path, "flow/pictures"), night(6))[:-1] == [night(number, "kept") for number in (1, 2, 3)]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    nights = [night(1), night(2, "needs a person")]
    write_nights(tmp_path, nights)
    assert read_nights(tmp_path) == nights


def test_figures_are_those_of_the_evaluation_where_it_has_them() -> None:
    judged = {"top1": 0.8, "top1_low": 0.75, "top1_high": 0.85, "images": 7}
    assert figures_of({"unseen": judged, "test": None}) == {"unseen": FIGURE, "unseen_noisy": None, "test": None}
