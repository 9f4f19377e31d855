"""The page of ``garbage compare``: two models beside each other, and the photographs about which one of them alone is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from pipeline_lib.evaluation.challenge import write_changes
from pipeline_lib.evaluation.promotion import ClassCompared
from pipeline_lib.evaluation.side_by_side import SideBySide
from pipeline_lib.reporting.blocks import Block, Card, Cell, Page, Section, Table
from pipeline_lib.reporting.formats import percent, signed
from pipeline_lib.reporting.pages.report import build_report
from pipeline_lib.reporting.shown.promote import galleries

_NAMES = ("A", "B")


def write_comparison(
    folder: Path, title: str, about: Mapping[str, str], result: SideBySide, open_image: Callable[[str], Image.Image]
) -> Path:
    """Write two models beside each other as a page into a folder, see `build_report`; return the page's path.

    Args:
        folder: A folder that is made if need be.
        title: The page's heading.
        about: What is said about model A and model B, by these names.
        result: The comparison.
        open_image: Returns the picture with a given key of B's dataset.
    """
    with TemporaryDirectory() as pictures:
        write_changes(Path(pictures), {"train": result.pair}, result.keys, result.names, open_image)
        blocks: list[Block] = [*galleries(Path(pictures), _NAMES)]
    sections = [
        Section("figures", "Figures", [_figures(result)]),
        Section("classes", "Classes", [_classes(result)]),
        *([Section("photographs", "Photographs", blocks)] if blocks else []),
    ]
    summary = " ".join(f"{name} is {about[name]}." for name in _NAMES)
    page = Page(title, summary, cards=_cards(result), findings=[_finding(result)], sections=sections)
    return folder / str(build_report(folder, page)["html"])


def _cards(result: SideBySide) -> list[Card]:
    figure = result.figures["clean"]
    count = f"top-1 out of fold on {len(result.pair.labels):,} photographs of train that both know"
    return [
        Card(f"Model {name}", percent(share), count)
        for name, share in zip(_NAMES, (figure.champion, figure.challenger), strict=True)
    ]


def _finding(result: SideBySide) -> str:
    figure, tested = result.figures["clean"], result.tested
    between = f"{signed(figure.difference)} points ({signed(figure.low)} to {signed(figure.high)})"
    sources = f"B is right more often about {tested['better']:,} sources and less often about {tested['worse']:,}"
    return f"B less A on clean views: {between}. {sources} (p = {tested['p']:.2g}, exact, two-sided)."


def _figures(result: SideBySide) -> Table:
    rows = [
        [
            Cell(name),
            Cell(percent(each.champion)),
            Cell(percent(each.challenger)),
            Cell(signed(each.difference), interval=f"{signed(each.low)} to {signed(each.high)}"),
        ]
        for name, each in result.figures.items()
    ]
    note = "Out of fold; points. The interval is 98%, of the calibration error 90%; both by source."
    return Table(["figure", *_NAMES, "B less A"], rows, note=note, role="figures")


def _classes(result: SideBySide) -> Table:
    note = "Clean views; p of the loss by source, after Holm."
    return Table(["class", "images", *_NAMES, "B less A", "p of the loss"], [_row(each) for each in result.classes], note=note)


def _row(each: ClassCompared) -> list[Cell]:
    shares = (Cell(percent(each.champion)), Cell(percent(each.challenger)))
    return [Cell(each.name), Cell(f"{each.images:,}"), *shares, Cell(signed(each.difference)), Cell(f"{each.p:.2g}")]
