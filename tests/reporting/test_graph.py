"""The graph of a plan has every stage, what each needs and why it would be computed, and no arrow that others imply."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.reporting.graph import HEIGHT, WIDTH, arrows_of, as_svg, as_text, levels_of

SVG = "{http://www.w3.org/2000/svg}"


def row(name: str, *inputs: str, status: str = "reused", reason: str = "nothing changed", **counts: int) -> dict[str, Any]:
    return {"name": name, "status": status, "reason": reason, "inputs": list(inputs), **counts}


ROWS = [
    row("dataset"),
    row("backbone"),
    row("features", "backbone", "dataset", status="stale", reason="setting `a` 1 -> 2 & <more>", reused=6, stale=2),
    row("train", "backbone", "dataset", "features", status="stale", reason="follows from `features`"),
]


@st.composite
def runs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Stages in the order of a run, each given some of those before it."""
    count = draw(st.integers(1, 9))
    return [
        row(str(at), *sorted(draw(st.sets(st.sampled_from(list(map(str, range(at)))))) if at else [])) for at in range(count)
    ]


def behind(arrows: dict[str, list[str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, inputs in arrows.items():
        found[name] = set(inputs).union(*(found[each] for each in inputs))
    return found


@given(rows=runs())
def test_arrows_that_others_imply_are_left_out_and_no_others(rows: list[dict[str, Any]]) -> None:
    arrows = arrows_of(rows)
    assert behind(arrows) == behind({each["name"]: each["inputs"] for each in rows})
    for name, inputs in arrows.items():
        for each in inputs:
            assert each not in set().union(*(behind(arrows)[other] for other in inputs if other != each))
        assert levels_of(arrows)[name] == max((levels_of(arrows)[each] + 1 for each in inputs), default=0)


@given(rows=runs())
def test_boxes_do_not_overlap_and_lie_within_the_picture(rows: list[dict[str, Any]]) -> None:
    svg = ET.fromstring(as_svg(rows))
    boxes = [(float(each.attrib["x"]), float(each.attrib["y"])) for each in svg.iterfind(f"{SVG}g/{SVG}rect")]
    assert len(boxes) == len(rows)
    for number, (x, y) in enumerate(boxes):
        assert 0 <= x <= float(svg.attrib["width"]) - WIDTH
        assert 0 <= y <= float(svg.attrib["height"]) - HEIGHT
        assert all(abs(x - left) >= WIDTH or abs(y - top) >= HEIGHT for left, top in boxes[:number])


def test_the_picture_says_what_would_be_computed_and_why() -> None:
    svg = ET.fromstring(as_svg(ROWS))
    titles = [each.text for each in svg.iterfind(f"{SVG}g/{SVG}title")]
    assert titles[2] == "features: stale, setting `a` 1 -> 2 & <more> (2 stale, 6 reused)"
    assert len(list(svg.iterfind(f"{SVG}path"))) == 3


def test_the_text_has_a_line_for_each_stage_and_what_it_needs() -> None:
    assert list(as_text(ROWS)) == [
        "dataset   reused",
        "backbone  reused",
        "  |",
        "features  stale     <- backbone, dataset",
        "  |",
        "train     stale     <- features",
    ]
