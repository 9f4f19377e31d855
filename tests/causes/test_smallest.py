"""Of changes that matter together, the fewest that still do are found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.causes.smallest import smallest


@given(count=st.integers(1, 40), data=st.data())
def test_what_has_to_come_together_is_found_exactly(count: int, data: st.DataObject) -> None:
    cause = data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=4))
    assert smallest(range(count), lambda chosen: cause <= chosen) == cause


@given(outcomes=st.dictionaries(st.frozensets(st.integers(0, 7)), st.booleans(), max_size=200))
def test_nothing_can_be_left_out_of_what_is_found_whatever_matters(outcomes: dict[frozenset[int], bool]) -> None:
    def matters(chosen: frozenset[int]) -> bool:
        return len(chosen) == 8 or outcomes.get(chosen, False)

    found = smallest(range(8), matters)
    assert matters(found)
    assert len(found) == 1 or not any(matters(found - {each}) for each in found)


def test_one_of_many_takes_few_trials() -> None:
    trials: list[frozenset[int]] = []

    def matters(chosen: frozenset[int]) -> bool:
        trials.append(chosen)
        return 700 in chosen

    assert smallest(range(1000), matters) == {700}
    assert len(trials) <= 20
