"""The stages of a run as a graph: what each was given, what came of it, and why; as text and as SVG."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

Row = Mapping[str, Any]
"""A stage of a run; see ``Run.stages``."""

WIDTH, HEIGHT, GAP, DROP = 200, 62, 24, 44
"""Size of a box, and the space beside and below it, in pixels."""

CHARACTERS = 33
"""Letters of a reason that fit into a line of a box."""

COLOURS = {
    "failed": ("#fde8e8", "#c53030"),
    "stale": ("#fff4d6", "#b7791f"),
    "computed": ("#e6f6e9", "#2f855a"),
    "reused": ("#eef6f8", "#5b8a99"),
}
"""Ground and border of a box by what came of the stage."""

Arrows = dict[str, list[str]]
"""The stages that each stage is given results of."""


def arrows_of(rows: Iterable[Row]) -> Arrows:
    """Return what each stage needs directly: without arrows that follow from others, such as those from the dataset."""
    needs = {row["name"]: set(row["inputs"]) for row in rows}
    behind: dict[str, set[str]] = {}
    for name, inputs in needs.items():  # in the order of the run: what a stage needs comes before it
        behind[name] = inputs.union(*(behind[each] for each in inputs))
    return {name: sorted(inputs - set().union(*(behind[each] for each in inputs))) for name, inputs in needs.items()}


def levels_of(arrows: Arrows) -> dict[str, int]:
    """Return how many stages there are before each one on the longest way."""
    level: dict[str, int] = {}
    for name, inputs in arrows.items():
        level[name] = max((level[each] + 1 for each in inputs), default=0)
    return level


def as_text(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of a graph: stages level by level, each with what would become of it and what it needs directly."""
    arrows = arrows_of(rows)
    level = levels_of(arrows)
    names = max(len(row["name"]) for row in rows)
    for at in range(max(level.values()) + 1):
        for row in (row for row in rows if level[row["name"]] == at):
            inputs = f"<- {', '.join(arrows[row['name']])}" if arrows[row["name"]] else ""
            yield f"{row['name']:<{names}}  {row['status']:<8}  {inputs}".rstrip()
        if at < max(level.values()):
            yield "  |"


def _why(row: Row) -> str:
    counts = [f"{row[status]} {status}" for status in COLOURS if status in row]
    return f"{row['reason']} ({', '.join(counts)})" if len(counts) > 1 else str(row["reason"])


def as_svg(rows: Sequence[Row]) -> str:
    """Return a graph as a picture: a box for each stage, those that need nothing at the top."""
    arrows = arrows_of(rows)
    layers, chains = _layers(arrows)
    place = _places(layers)
    width = max(x for x, _ in place.values()) + WIDTH + GAP
    height = len(layers) * (HEIGHT + DROP) - DROP + 2 * GAP
    svg = ET.Element("svg", xmlns="http://www.w3.org/2000/svg", width=str(width), height=str(height))
    svg.set("viewBox", f"0 0 {width} {height}")
    svg.set("font-family", "system-ui, sans-serif")
    marker = ET.SubElement(
        ET.SubElement(svg, "defs"), "marker", id="tip", markerWidth="9", markerHeight="8", refX="8", refY="4", orient="auto"
    )
    ET.SubElement(marker, "path", d="M0,0 L9,4 L0,8 z", fill="#718096")
    ET.SubElement(svg, "rect", width="100%", height="100%", fill="white")
    for chain in chains:
        ET.SubElement(svg, "path", d=_curve([place[each] for each in chain]), fill="none", stroke="#a0aec0").set(
            "marker-end", "url(#tip)"
        )
    for row in rows:
        _box(svg, row, *place[row["name"]])
    ET.indent(svg)
    return ET.tostring(svg, encoding="unicode") + "\n"


Node = str | tuple[str, str, int]
"""A stage, or the place where an arrow (from, to) passes a level."""


def _layers(arrows: Arrows) -> tuple[list[list[Node]], list[list[Node]]]:
    """Return the nodes of each level, ordered so that arrows cross little, and the nodes that each arrow leads through.

    Source: K. Sugiyama, S. Tagawa and M. Toda, "Methods for visual understanding of hierarchical system structures", IEEE
    Transactions on Systems, Man, and Cybernetics 11 (1981): each node is put at the mean place of its neighbours, down and up.
    """
    level = levels_of(arrows)
    layers: list[list[Node]] = [[] for _ in range(max(level.values()) + 1)]
    for name, at in level.items():
        layers[at].append(name)
    chains: list[list[Node]] = []
    for name, inputs in arrows.items():
        for each in inputs:
            between: list[Node] = [(each, name, at) for at in range(level[each] + 1, level[name])]
            for node, at in zip(between, range(level[each] + 1, level[name]), strict=True):
                layers[at].append(node)
            chains.append([each, *between, name])
    near: dict[Node, list[Node]] = defaultdict(list)
    for chain in chains:
        for first, second in pairwise(chain):
            near[first].append(second)
            near[second].append(first)
    for at in [*range(1, len(layers)), *range(len(layers) - 2, -1, -1)] * 4:
        _order(layers, at, near)
    return layers, chains


def _order(layers: list[list[Node]], at: int, near: Mapping[Node, Sequence[Node]]) -> None:
    """Order a level by the mean place of the neighbours of its nodes in the levels above and below."""
    place = {node: number / len(layer) for layer in layers for number, node in enumerate(layer)}
    there = {node for layer in (layers[at - 1 : at] + layers[at + 1 : at + 2]) for node in layer}
    mean = {node: [place[each] for each in near[node] if each in there] or [place[node]] for node in layers[at]}
    layers[at].sort(key=lambda node: sum(mean[node]) / len(mean[node]))


def _places(layers: Sequence[Sequence[Node]]) -> dict[Node, tuple[float, float]]:
    """Return where the upper left corner of each node is, in pixels; levels are centred."""
    widths = [[WIDTH if isinstance(node, str) else GAP for node in layer] for layer in layers]
    total = max(sum(each) + GAP * (len(each) - 1) for each in widths)
    places: dict[Node, tuple[float, float]] = {}
    for at, (layer, sizes) in enumerate(zip(layers, widths, strict=True)):
        x = GAP + (total - sum(sizes) - GAP * (len(sizes) - 1)) / 2
        for node, size in zip(layer, sizes, strict=True):
            places[node] = (x - (0 if isinstance(node, str) else (WIDTH - size) / 2), GAP + at * (HEIGHT + DROP))
            x += size + GAP
    return places


def _curve(corners: Sequence[tuple[float, float]]) -> str:
    """Return the path of an arrow from the lower edge of the first box to the upper edge of the last one."""
    (x, y), *rest = corners
    x, y = x + WIDTH / 2, y + HEIGHT
    path = f"M{x:.0f},{y:.0f}"
    for number, (left, top) in enumerate(rest, start=1):
        to = left + WIDTH / 2
        path += f" C{x:.0f},{y + DROP / 2:.0f} {to:.0f},{top - DROP / 2:.0f} {to:.0f},{top:.0f}"
        x, y = to, top
        if number < len(rest):
            y = top + HEIGHT
            path += f" L{to:.0f},{y:.0f}"
    return path


def _box(svg: ET.Element, row: Row, x: float, y: float) -> None:
    ground, border = COLOURS[row["status"]]
    box = ET.SubElement(svg, "g")
    ET.SubElement(box, "title").text = f"{row['name']}: {row['status']}, {_why(row)}"
    size = {"x": f"{x:.0f}", "y": f"{y:.0f}", "width": str(WIDTH), "height": str(HEIGHT), "rx": "6"}
    ET.SubElement(box, "rect", size, fill=ground, stroke=border)
    middle = {"x": f"{x + WIDTH / 2:.0f}", "text-anchor": "middle"}
    ET.SubElement(box, "text", {**middle, "y": f"{y + 18:.0f}", "font-size": "13", "font-weight": "600"}).text = row["name"]
    lines = textwrap.wrap(f"{row['status']}: {_why(row)}".replace("`", ""), CHARACTERS, max_lines=2, placeholder=" ...")
    for number, line in enumerate(lines):
        style = {**middle, "y": f"{y + 35 + 15 * number:.0f}", "font-size": "11", "fill": "#4a5568"}
        ET.SubElement(box, "text", style).text = line
