from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.data.sample.geometry import (
    Array,
    Finish,
    Patch,
    Surface,
    blots,
    box,
    curve,
    ellipsoid,
    lathe,
    patch,
    placed,
    rectangles,
    rod,
    sheet,
    stripes,
    sweep,
    turned,
)
from pipeline_lib.data.sample.render import Rendering, View, render

RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
MATT = Finish(gloss=0.0)
SIZE = 64

BODIES: dict[str, Surface] = {
    "lathe": lathe(curve([(0, -1), (0.5, -1), (0.5, 1), (0, 1)])),
    "sweep": sweep(curve([(0, -1, 0), (0, 1, 0)]), rod(0.3)),
    "ellipsoid": ellipsoid(1.0, 0.5, 0.7),
}


def view(*, light: tuple[float, float, float] = (0.0, 0.0, 1.0), distance: float = 5.0) -> View:
    return View(np.eye(3), np.array([0.0, 0.0, 1.0]), np.array(light), distance, extent=0.8, place=(0.5, 0.5))


def shot(*patches: Patch, **how: object) -> Rendering:
    return render(patches, view(**how), SIZE, softness=0.02)  # type: ignore[arg-type]


def middle(rendering: Rendering) -> tuple[float, ...]:
    return tuple(np.round(rendering.layer[:, SIZE // 2, SIZE // 2] > 0.3).astype(float))


def outward(part: Patch) -> Array:
    normal = np.cross(part.quads[:, 2] - part.quads[:, 0], part.quads[:, 3] - part.quads[:, 1])
    return np.asarray(np.einsum("ij,ij->i", normal, part.quads.mean(axis=1)))


def area(corners: Array) -> Array:
    first, second = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    return np.asarray(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])


@given(st.lists(st.tuples(*[st.floats(-5, 5)] * 2), min_size=2, max_size=9), st.booleans())
def test_a_curve_meets_its_points(points: list[tuple[float, float]], smooth: bool) -> None:
    at = curve(points, smooth=smooth)(np.linspace(0, 1, len(points)))
    assert at == pytest.approx(np.array(points), abs=1e-9)


@pytest.mark.parametrize("name", BODIES)
def test_closed_bodies_show_their_front_outside(name: str) -> None:
    assert (outward(patch(BODIES[name], RED, (12, 6))) > -1e-12).all()


def test_a_block_shows_its_front_outside() -> None:
    assert all((outward(side) > 0).all() for side in box(1.0, 2.0, 3.0, RED))


def test_what_is_pasted_runs_counter_clockwise() -> None:
    boxes = rectangles(np.array([(0.1, 0.4, 0.2, 0.3)]), pieces=3)
    band = stripes(np.array([[(0.0, 0.5), (0.5, 0.7), (1.0, 0.4)]]), 0.1)
    spot = blots(np.array([(0.5, 0.5)]), np.full((1, 10, 2), 0.2))
    for corners in (boxes, band, spot):
        assert (area(corners) > 0).all()


def test_rectangles_cover_the_box_they_are_cut_from() -> None:
    corners = rectangles(np.array([(0.1, 0.4, 0.2, 0.3)]), pieces=3)
    assert area(corners).sum() / 2 == pytest.approx(0.3 * 0.1)


@settings(deadline=None)
@given(st.tuples(*[st.floats(-360, 360)] * 3))
def test_turning_keeps_lengths_and_handedness(angles: tuple[float, float, float]) -> None:
    matrix = turned(*angles)
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1.0)


def test_the_nearer_of_two_surfaces_is_seen() -> None:
    far, near = patch(sheet(2, 2, -0.5), RED, (4, 4), finish=MATT), patch(sheet(1, 1, 0.5), BLUE, (4, 4), finish=MATT)
    assert middle(shot(near, far)) == (0, 0, 1, 1)


def test_a_label_lies_on_what_it_is_pasted_on() -> None:
    body, label = patch(sheet(2, 2), RED, (4, 4), finish=MATT), patch(sheet(1, 1), BLUE, (4, 4), finish=MATT, rank=1)
    assert middle(shot(label, body)) == (0, 0, 1, 1)


def test_a_back_is_seen_only_where_it_has_a_colour() -> None:
    away = patch(sheet(2, 2), RED, (4, 4), finish=MATT)
    open_sheet = patch(sheet(2, 2), RED, (4, 4), back=BLUE, finish=MATT)
    behind = (0.0, 180.0, 0.0)
    assert middle(shot(*placed([away], turn=behind))) == (0, 0, 0, 0)
    assert middle(shot(*placed([open_sheet], turn=behind))) == (0, 0, 1, 1)


def test_glass_lets_the_background_through() -> None:
    clear = patch(sheet(2, 2), RED, (4, 4), finish=Finish(gloss=0.0, clear=0.8))
    assert shot(clear).layer[3, SIZE // 2, SIZE // 2] == pytest.approx(0.2, abs=0.02)


def test_the_object_fills_the_wanted_share_of_the_picture_and_is_never_cut() -> None:
    opacity = shot(patch(ellipsoid(1, 1, 1), RED, (32, 16)), distance=3.0).layer[3]
    rows = np.flatnonzero(opacity.max(axis=1) > 0.5)
    assert len(rows) == pytest.approx(0.8 * SIZE, abs=2)
    assert rows[0] > 0
    assert rows[-1] < SIZE - 1


def test_the_side_towards_the_light_is_brighter_and_the_shadow_falls_on_the_other() -> None:
    from_the_right = shot(patch(ellipsoid(1, 1, 1), RED, (32, 16)), light=(0.6, 0.0, 0.8))
    red, half = from_the_right.layer[0], SIZE // 2
    assert red[half, half + 15] > red[half, half - 15] + 0.1
    outside = from_the_right.layer[3] == 0
    shadow = np.where(outside, from_the_right.shadow, 0)
    assert shadow[:, :half].sum() > 5 * shadow[:, half:].sum()
