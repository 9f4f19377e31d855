"""Fingerprints, the all-pairs search and the forest of links, against slower ways of saying the same."""

import itertools
from dataclasses import replace

import faiss
import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from pipeline_lib.audit import similarity
from pipeline_lib.audit.similarity import Fingerprint, fingerprint, group_ids, near_links, pairs_within

LOOK = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
SYMMETRIC_LOOK = np.concatenate([LOOK[:, :8], LOOK[:, 7::-1]], axis=1)
OTHER_LOOK = np.random.default_rng(1).integers(0, 256, (16, 16, 3)).astype(np.uint8)


def bits(number: int) -> np.ndarray:
    return np.array([number >> place & 1 for place in range(64)], dtype=bool)


def picture(upright: int, mirrored: int, thumbnail: np.ndarray = LOOK) -> Fingerprint:
    return Fingerprint("", "", 224, 224, 50.0, bits(upright), bits(mirrored), thumbnail)


def brute_distance(one: Fingerprint, other: Fingerprint) -> int:
    turns = ((one.phash, other.phash), (one.phash, other.mirrored), (one.mirrored, other.phash))
    return min(int(np.sum(left != right)) for left, right in turns)


def partition(prints: list[Fingerprint], links) -> set[frozenset[int]]:
    ids = group_ids(links, len(prints))
    return {frozenset(np.flatnonzero(ids == each).tolist()) for each in set(ids.tolist())}


def brute_partition(count: int, pairs: list[tuple[int, int]]) -> set[frozenset[int]]:
    group = {each: frozenset({each}) for each in range(count)}
    for first, second in pairs:
        merged = group[first] | group[second]
        group |= dict.fromkeys(merged, merged)
    return set(group.values())


@st.composite
def related_pictures(draw: st.DrawFn) -> list[Fingerprint]:
    """Pictures around a few centres, so that distances on both sides of the limit are common."""
    centres = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=3))
    flips = st.lists(st.integers(0, 63), max_size=12).map(lambda places: sum(1 << place for place in set(places)))
    made = st.builds(
        lambda centre, one, other: picture(centre ^ one, centre ^ other ^ 2**6 - 1, SYMMETRIC_LOOK),
        st.sampled_from(centres),
        flips,
        flips,
    )
    return draw(st.lists(made, max_size=12))


@pytest.fixture(autouse=True, scope="module")
def _small_blocks():
    """A few pictures then span several blocks of the search."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity, "_BLOCK_ROWS", 4)
        patch.setattr(similarity, "_BLOCK_PAIRS", 5)
        patch.setattr(similarity, "_WAITING_LINKS", 3)
        yield


@given(st.lists(st.integers(0, 2**64 - 1), max_size=10), st.integers(0, 64))
@settings(deadline=None, max_examples=50)
def test_search_finds_what_comparing_every_pair_finds(numbers, limit):
    hashes = np.packbits(np.array([bits(each) for each in numbers], bool).reshape(-1, 64), axis=1)
    index = faiss.IndexBinaryFlat(64)
    index.add(hashes)
    blocks = (pairs_within(index, hashes, start, limit) for start in range(0, len(numbers), 4))
    found = {tuple(row) for block in blocks for row in block.to_numpy().tolist()}
    distances = ((i, j, (numbers[i] ^ numbers[j]).bit_count()) for i, j in itertools.combinations(range(len(numbers)), 2))
    assert found == {row for row in distances if row[2] <= limit}


@given(related_pictures(), st.integers(0, 16))
@settings(deadline=None, max_examples=50)
def test_links_hold_the_same_groups_as_all_near_pairs_with_as_few_rows_as_possible(prints, limit):
    distance = {(i, j): brute_distance(prints[i], prints[j]) for i, j in itertools.combinations(range(len(prints)), 2)}
    near = [pair for pair, bits_apart in distance.items() if bits_apart <= limit]
    links = near_links(prints, limit)
    groups = partition(prints, links)
    assert groups == brute_partition(len(prints), near)
    assert len(links) == len(prints) - len(groups)
    assert all(distance[row.first, row.second] == row.distance for row in links.itertuples())


@given(related_pictures())
@settings(deadline=None, max_examples=25)
def test_each_picture_is_linked_to_its_nearest(prints):
    links = near_links(prints, 16)
    for each in range(len(prints)):
        others = [brute_distance(prints[each], other) for place, other in enumerate(prints) if place != each]
        mine = links[(links["first"] == each) | (links["second"] == each)]["distance"]
        if others and min(others) <= 16:
            assert mine.min() == min(others)


@given(related_pictures(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=25)
def test_groups_do_not_depend_on_the_order_of_the_pictures(prints, random):
    order = random.sample(range(len(prints)), len(prints))
    shuffled = partition(prints, near_links([prints[each] for each in order], 8))
    assert {frozenset(order[each] for each in group) for group in shuffled} == partition(prints, near_links(prints, 8))


def test_equal_hashes_are_no_near_duplicates_when_the_thumbnails_differ():
    assert len(near_links([picture(5, 9), picture(5, 9)], 8)) == 1
    assert len(near_links([picture(5, 9), picture(5, 9, OTHER_LOOK)], 8)) == 0


def test_mirrored_near_duplicates_are_compared_mirrored():
    one, other = picture(2**32 - 1, 7), picture(7, 2**63 - 1, LOOK[:, ::-1])
    links = near_links([one, other], 4)
    assert links[["distance", "mirrored"]].to_numpy().tolist() == [[0, True]]
    assert len(near_links([one, replace(other, thumbnail=LOOK)], 4)) == 0


def test_plain_thumbnails_resemble_nothing():
    plain = np.full((16, 16, 3), 200, np.uint8)
    assert len(near_links([picture(1, 1, plain), picture(1, 1, plain)], 8)) == 0


def test_groups_are_numbered_by_their_first_image():
    links = near_links([picture(0, 2**64 - 1), picture(2**32 - 1, 2**50), picture(1, 2**64 - 1), picture(2**32 - 2, 2**50)], 2)
    assert group_ids(links, 4).tolist() == [0, 1, 0, 1]


def test_fingerprint_hashes_as_the_library_does(tmp_path):
    image = Image.effect_mandelbrot((301, 200), (-2, -1.2, 1, 1), 60).convert("RGB")
    image.save(tmp_path / "image.png")
    made = fingerprint(tmp_path / "image.png")
    assert (made.width, made.height) == (301, 200)
    assert np.array_equal(made.phash, imagehash.phash(image).hash.ravel())
    small = image.convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    assert np.array_equal(made.mirrored, imagehash.phash(ImageOps.mirror(small)).hash.ravel())


def test_pixel_digest_sees_pixels_and_size_but_not_the_file_format(tmp_path):
    for name, size in (("a.png", (8, 4)), ("a.bmp", (8, 4)), ("turned.png", (4, 8))):
        Image.new("RGB", size, "#336699").save(tmp_path / name)
    png, bmp, turned = (fingerprint(tmp_path / name) for name in ("a.png", "a.bmp", "turned.png"))
    assert png.pixels == bmp.pixels
    assert png.sha256 != bmp.sha256
    assert png.pixels != turned.pixels
