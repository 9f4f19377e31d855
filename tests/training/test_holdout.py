from __future__ import annotations

import random
from collections import defaultdict

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline_lib.errors import PipelineError
from pipeline_lib.training.rows import validation_images


def images_of(name: str, count: int) -> dict[str, str]:
    return {f"train/{name}/{number:05d}.jpg": name for number in range(count)}


@st.composite
def datasets(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, int]]:
    """Classes of 1 to 30 images; some images in groups, which may reach across classes."""
    class_of: dict[str, str] = {}
    for name in "abcd"[: draw(st.integers(1, 4))]:
        class_of |= images_of(name, draw(st.integers(1, 30)))
    groups = {image: group for image in class_of if (group := draw(st.integers(0, 12))) < 9}
    return class_of, groups


def parts(class_of: dict[str, str], groups: dict[str, int]) -> dict[object, list[str]]:
    members: dict[object, list[str]] = defaultdict(list)
    for image in class_of:
        members[groups.get(image, image)].append(image)
    return members


@given(datasets(), st.floats(0.05, 0.6))
def test_groups_never_straddle_and_both_sides_have_images(data: tuple[dict[str, str], dict[str, int]], share: float) -> None:
    class_of, groups = data
    members = parts(class_of, groups).values()
    try:
        held_out = validation_images(class_of, groups, share)
    except PipelineError:
        held_out = frozenset()
    for group in members:
        assert len({image in held_out for image in group}) == 1
    for name in set(class_of.values()):
        images = [image for image, owner in class_of.items() if owner == name]
        inside = [group for group in members if {class_of[image] for image in group} == {name}]
        can_give = any(len(group) < len(images) for group in inside)
        assert can_give == any(image in held_out for image in images)
        assert any(image not in held_out for image in images)


@given(datasets(), st.floats(0.05, 0.6), st.randoms())
def test_the_order_of_the_input_decides_nothing(
    data: tuple[dict[str, str], dict[str, int]], share: float, chance: random.Random
) -> None:
    class_of, groups = data
    shuffled = list(class_of.items())
    chance.shuffle(shuffled)
    try:
        expected = validation_images(class_of, groups, share)
    except PipelineError:
        assume(False)
    assert validation_images(dict(shuffled), groups, share) == expected


@given(st.integers(2, 60), st.floats(0.01, 0.99))
def test_without_groups_the_last_images_in_name_order_are_held_out(count: int, share: float) -> None:
    class_of = images_of("a", count)
    wanted = min(max(1, round(share * count)), count - 1)
    assert validation_images(class_of, {}, share) == frozenset(sorted(class_of)[-wanted:])


def test_a_group_across_the_cut_stays_in_training_whole() -> None:
    class_of = images_of("a", 20)
    keys = sorted(class_of)
    groups = {keys[3]: 7, keys[19]: 7}
    assert validation_images(class_of, groups, 0.1) == {keys[17], keys[18]}


def test_a_picture_under_two_classes_stays_in_training() -> None:
    class_of = images_of("a", 10) | images_of("b", 10)
    groups = {"train/a/00009.jpg": 1, "train/b/00009.jpg": 1}
    assert validation_images(class_of, groups, 0.1) == {"train/a/00008.jpg", "train/b/00008.jpg"}


def test_a_class_that_is_mostly_one_picture_keeps_it_for_training() -> None:
    class_of = images_of("a", 89)
    keys = sorted(class_of)
    groups = dict.fromkeys(keys[5:85], 1)
    assert validation_images(class_of, groups, 0.1) == {*keys[:5], *keys[85:]}


@pytest.mark.parametrize(("size_before", "held_out"), [(4, 3), (2, 3), (1, 4)])
def test_whole_groups_come_as_near_to_the_share_as_they_can(size_before: int, held_out: int) -> None:
    class_of = images_of("a", 20)
    keys = sorted(class_of)
    groups = dict.fromkeys(keys[17:], 1) | dict.fromkeys(keys[17 - size_before : 17], 2)
    assert validation_images(class_of, groups, 0.2) == frozenset(keys[-held_out:])


def test_when_every_group_is_large_the_smallest_one_is_held_out() -> None:
    class_of = images_of("a", 20)
    keys = sorted(class_of)
    groups = dict.fromkeys(keys[:8], 1) | dict.fromkeys(keys[8:], 2)
    assert validation_images(class_of, groups, 0.1) == frozenset(keys[:8])


def test_a_class_of_one_picture_gives_up_nothing() -> None:
    class_of = images_of("a", 5) | images_of("b", 10)
    groups = dict.fromkeys(images_of("a", 5), 1)
    assert validation_images(class_of, groups, 0.2) == {"train/b/00008.jpg", "train/b/00009.jpg"}


def test_classes_that_are_single_pictures_are_refused() -> None:
    with pytest.raises(PipelineError, match="No training image can be held out"):
        validation_images({"train/a/1.jpg": "a", "train/b/1.jpg": "b"}, {}, 0.1)
