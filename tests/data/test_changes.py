"""What has changed between two states of a dataset, by content."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.data.changes import changes_between

files = st.dictionaries(
    st.builds("{}/{}/{}".format, st.sampled_from(["train", "test"]), st.sampled_from("AB"), st.integers(0, 5)),
    st.sampled_from("xyz"),
)


def test_each_photograph_has_one_kind_of_change() -> None:
    before = {"train/A/1": "kept", "train/A/2": "gone", "train/A/3": "wrong", "train/B/4": "to test", "images.csv": "a"}
    after = {"train/A/new name": "kept", "train/B/3": "wrong", "test/B/4": "to test", "test/A/5": "new", "images.csv": "b"}
    changes = changes_between(before, after)
    assert changes.added == Counter(A=1)
    assert changes.removed == Counter(A=1)
    assert changes.relabelled == Counter({("A", "B"): 1})
    assert changes.moved == Counter(B=1)


@given(files)
def test_new_names_are_no_change(before: dict[str, str]) -> None:
    renamed = {f"{path}-renamed": digest for path, digest in before.items()}
    assert not changes_between(before, renamed)


@given(files, files)
def test_the_changes_of_each_class_add_up(before: dict[str, str], after: dict[str, str]) -> None:
    changes = changes_between(before, after)
    for name in "AB":
        old, new = (sum(path.split("/")[1] == name for path in every) for every in (before, after))
        come = changes.added[name] + sum(count for (_, now), count in changes.relabelled.items() if now == name)
        gone = changes.removed[name] + sum(count for (then, _), count in changes.relabelled.items() if then == name)
        assert new - old == come - gone


@given(files, files)
def test_the_way_back_is_the_reverse(before: dict[str, str], after: dict[str, str]) -> None:
    there, back = changes_between(before, after), changes_between(after, before)
    assert (there.added, there.removed, there.moved) == (back.removed, back.added, back.moved)
    assert there.relabelled == Counter({(now, then): count for (then, now), count in back.relabelled.items()})
