"""Sketches of pictures, and what is measured when one is laid on another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from scenes import cropped, scene, slanted, turned

from pipeline_lib.audit.geometry import compare
from pipeline_lib.audit.sketch import MIRROR, SKETCH, sketch

PICTURES = [scene(seed) for seed in range(6)]


def sketched(*images: Image.Image) -> np.ndarray:
    """Return the records of pictures."""
    records = np.zeros(len(images), SKETCH)
    for image, record in zip(images, records, strict=True):
        sketch(np.asarray(image), record)
    return records


SKETCHES = sketched(*PICTURES, *(cropped(turned(image, 20), 0.6) for image in PICTURES))


def test_a_mirrored_descriptor_is_the_descriptor_with_its_values_in_other_places():
    upright, mirrored = sketched(PICTURES[0], ImageOps.mirror(PICTURES[0]))
    places = upright["points"][: upright["count"]] * (-1, 1) + (upright["size"][0] - 1, 0)
    apart = np.abs(places[:, None] - mirrored["points"][None, : mirrored["count"]]).max(axis=2)
    first, second = np.nonzero(apart < 1)
    permuted = upright["descriptors"][first][:, MIRROR].astype(int)
    different = np.linalg.norm(permuted - mirrored["descriptors"][second].astype(int), axis=1)
    # Descriptors have a length of 512; those of different points are some 500 apart.
    assert len(first) >= 0.8 * upright["count"]
    assert np.median(different) < 80


def test_mirroring_twice_changes_nothing():
    assert (MIRROR[MIRROR] == np.arange(128)).all()


def test_a_mirrored_picture_is_found_without_a_sketch_of_its_own_mirror_image():
    upright, mirrored, again = sketched(PICTURES[1], ImageOps.mirror(PICTURES[1]), PICTURES[1])
    (straight,) = compare(upright, [again])
    (through,) = compare(upright, [mirrored])
    assert (straight["mirrored"], through["mirrored"]) == (False, True)
    assert through["inliers"] >= 0.85 * straight["inliers"]
    assert through["correlation"] > 0.99


@pytest.mark.parametrize("angle", [-100, -30, 0, 45, 170])
@pytest.mark.parametrize("mirror", [False, True])
def test_size_and_angle_are_those_of_the_change(angle, mirror):
    changed = cropped(turned(ImageOps.mirror(PICTURES[2]) if mirror else PICTURES[2], angle), 0.5)
    one, other = sketched(PICTURES[2], changed)
    (found,) = compare(one, [other])
    assert found["mirrored"] == mirror
    assert found["angle"] == pytest.approx(angle, abs=1)
    assert found["scale"] == pytest.approx(2**0.5, rel=0.02)
    assert found["overlap"] > 0.95
    assert found["correlation"] > 0.9


def test_a_picture_seen_from_the_side_is_laid_on_exactly():
    one, other = sketched(PICTURES[3], slanted(PICTURES[3], 0.25))
    (found,) = compare(one, [other])
    assert found["correlation"] > 0.97
    assert found["inliers"] > 40


def test_different_pictures_do_not_correlate():
    measured = [compare(SKETCHES[first], [SKETCHES[second]])[0] for first in range(6) for second in range(first)]
    assert max(each["correlation"] for each in measured) < 0.7


def test_pictures_without_points_match_nothing():
    blank = Image.new("RGB", (80, 60), "white")
    measured = compare(sketched(blank)[0], sketched(blank, PICTURES[0]))
    assert (measured == np.zeros(2, measured.dtype)).all()
    assert (compare(sketched(PICTURES[0])[0], sketched(blank)) == measured[:1]).all()


@settings(deadline=None, max_examples=20)
@given(one=st.integers(0, 11), others=st.lists(st.integers(0, 11), min_size=1, max_size=6))
def test_what_is_measured_on_two_pictures_does_not_depend_on_those_beside_them(one, others):
    together = compare(SKETCHES[one], [SKETCHES[other] for other in others])
    alone = [compare(SKETCHES[one], [SKETCHES[other]])[0] for other in others]
    assert together.tobytes() == np.array(alone, together.dtype).tobytes()
