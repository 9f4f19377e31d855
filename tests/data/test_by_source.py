"""No source is on both sides, every class is, and the counts are as near to those wanted as whole sources allow."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline_lib.data.by_source import Photograph, choose_test, wanted_test
from pipeline_lib.errors import PipelineError


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


@st.composite
def photographs(draw: st.DrawFn) -> list[Photograph]:
    """Images of up to four classes from few or many sources, of which some have images in several classes."""
    pairs = draw(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 30)), min_size=2, max_size=120))
    return [Photograph(label, source, digest(number)) for number, (label, source) in enumerate(pairs)]


shares = st.floats(0.01, 0.99)


def chosen(images: list[Photograph], share: float) -> set[int]:
    try:
        return choose_test(images, share)
    except PipelineError:
        assume(False)
        raise


def counts(images: list[Photograph], test: set[int]) -> Counter[str]:
    return Counter(image.label for image in images if image.source in test)


def distance(images: list[Photograph], test: set[int], wanted: dict[str, int]) -> tuple[int, int]:
    """How many sides have none of a class, and how far all classes together are from what they want."""
    got, totals = counts(images, test), Counter(image.label for image in images)
    return sum(got[label] in (0, totals[label]) for label in totals), sum(abs(got[label] - wanted[label]) for label in totals)


@given(photographs(), shares)
def test_every_class_is_on_both_sides(images: list[Photograph], share: float) -> None:
    got = counts(images, chosen(images, share))
    assert all(0 < got[label] < total for label, total in Counter(image.label for image in images).items())


@given(photographs(), shares)
def test_no_source_could_change_sides_and_bring_the_counts_nearer(images: list[Photograph], share: float) -> None:
    test = chosen(images, share)
    wanted = wanted_test(Counter(image.label for image in images), share)
    reached = distance(images, test, wanted)
    assert all(distance(images, test ^ {source}, wanted) >= reached for source in {image.source for image in images})


@given(photographs(), shares, st.randoms(use_true_random=False))
def test_only_content_and_sources_count(images: list[Photograph], share: float, random: object) -> None:
    """Neither the order of the images nor the numbers that sources bear: a split of what was split already is the same."""
    shuffled = sorted(images, key=lambda image: hashlib.sha256((image.sha256 + repr(random)).encode()).digest())
    renumbered = [image._replace(source=1000 - image.source) for image in shuffled]
    assert {1000 - source for source in chosen(renumbered, share)} == chosen(images, share)


@given(st.integers(2, 60), st.integers(2, 60), shares)
def test_sources_of_one_image_give_exactly_what_is_wanted(first: int, second: int, share: float) -> None:
    images = [Photograph("a" if number < first else "b", number, digest(number)) for number in range(first + second)]
    assert counts(images, choose_test(images, share)) == wanted_test({"a": first, "b": second}, share)


@given(st.floats(0.05, 0.4))
def test_a_large_source_is_test_about_as_often_as_a_small_one(share: float) -> None:
    """Else test would show pictures of another kind than train: those without copies, or those with many."""
    images = [Photograph("a", source, digest(200 * source + copy)) for source in range(300) for copy in range(1 + source % 2)]
    large = [source for source in choose_test(images, share) if source % 2]
    expected = 150 * share
    assert abs(len(large) - expected) < 5 * (expected * (1 - share)) ** 0.5


def test_a_new_source_moves_few_others() -> None:
    images = [Photograph("ab"[source % 2], source, digest(source)) for source in range(400)]
    before = choose_test(images, 0.2)
    after = choose_test([*images, Photograph("a", 400, digest(400))], 0.2)
    assert len(before ^ after) <= 2


def test_the_share_is_met_as_well_as_large_sources_allow() -> None:
    sizes = [40, 30, 7, 2, 1]
    images = [Photograph("a", source, digest(100 * source + copy)) for source, size in enumerate(sizes) for copy in range(size)]
    images += [Photograph("b", 100 + number, digest(10_000 + number)) for number in range(20)]
    assert counts(images, choose_test(images, 0.1)) == {"a": 8, "b": 2}


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_class_of_one_source_is_refused_by_name(share: float) -> None:
    images = [Photograph("alone", 1, digest(1)), Photograph("alone", 1, digest(2))]
    images += [Photograph("fine", number, digest(number)) for number in range(3, 9)]
    with pytest.raises(PipelineError, match=r"Class alone .* its 2 images come from 1 source, which must stay whole"):
        choose_test(images, share)
