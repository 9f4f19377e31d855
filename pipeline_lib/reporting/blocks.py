"""What is shown, as plain values: blocks of one stage, and pages of them; all texts ready to print but not yet escaped.

A stage's blocks are kept in the store as JSON, pictures included, so that UI, report and command line show the same thing and
nothing is drawn twice.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from pipeline_lib.reporting.formats import value
from pipeline_lib.stages.result import Manifest, Ref, Summary

Results = Mapping[str, Ref]
"""The results of a stage by label: one, or one a shard."""

Role = Literal["", "figures", "detail"]
"""``figures`` are printed by the command line too; ``detail`` is folded in the report and left out of its Markdown."""

SHOWN = "shown.json"
_PLAIN = ConfigDict(extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")
_WIDE, _TINY = 1200, 64  # pixels


def data_uri(name: str, data: bytes) -> str:
    """Return a JPEG or PNG file as a data URI; its name says which it is."""
    kind = "jpeg" if name.endswith(".jpg") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


@dataclass(frozen=True, config=_PLAIN)
class Image:
    """A picture and what is said about it.

    Attributes:
        name: File name in the Markdown report's folder of figures.
        data: The bytes of a JPEG or PNG file.
        width: Width in pixels.
        height: Height in pixels.
        alt: What the picture shows, for those who cannot see it.
        heading: What it is, above the caption; may be empty.
        caption: What to look for; may be empty.
        tag: A warning on top of the caption; may be empty.
    """

    name: str
    data: bytes
    width: int
    height: int
    alt: str
    heading: str = ""
    caption: str = ""
    tag: str = ""

    @property
    def uri(self) -> str:
        """The picture as a data URI."""
        return data_uri(self.name, self.data)

    @property
    def fit(self) -> str:
        """How the page sizes the picture: ``wide`` and ``drawn`` figures by their type, ``tiny`` pictures in sharp pixels."""
        if self.name.endswith(".png"):
            return "wide" if self.width > _WIDE else "drawn"
        return "tiny" if self.width < _TINY else "photograph"


@dataclass(frozen=True, config=_PLAIN)
class Cell:
    """A cell of a table: its text; for a share also the share and its interval to draw (0..1), and the interval's text."""

    text: str
    share: float | None = None
    low: float | None = None
    high: float | None = None
    interval: str = ""


@dataclass(frozen=True, config=_PLAIN)
class Facts:
    """Labels with their values."""

    rows: list[tuple[str, str]]
    title: str = ""
    note: str = ""
    role: Role = ""
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True, config=_PLAIN)
class Table:
    """A table; the first column names the row."""

    columns: list[str]
    rows: list[list[Cell]]
    title: str = ""
    note: str = ""
    role: Role = ""
    kind: Literal["table"] = "table"


@dataclass(frozen=True, config=_PLAIN)
class Images:
    """Pictures beside or below one another: ``half`` and ``third`` of the page's width each, ``full``, or a ``gallery``."""

    images: list[Image]
    size: Literal["full", "half", "third", "gallery"] = "full"
    title: str = ""
    note: str = ""
    role: Role = ""
    kind: Literal["images"] = "images"


@dataclass(frozen=True, config=_PLAIN)
class Pile:
    """Photographs behind a button.

    Attributes:
        label: What the button says.
        title: What they are, such as ``Cans taken for Paper: 3 photographs``.
        photographs: Name of the picture among the album's, and what is said about it there, of each one that is shown.
        note: What is said about all of them, such as how many are not shown; may be empty.
        row: Row in the album's matrix, from 0.
        column: Column in it.
        share: How many of the row's photographs they are, 0..1.
    """

    label: str
    title: str
    photographs: list[tuple[str, str]]
    note: str = ""
    row: int = 0
    column: int = 0
    share: float = 0.0


@dataclass(frozen=True, config=_PLAIN)
class Album:
    """Photographs in piles that open on a click: on a cell of a matrix, or on a button each.

    Attributes:
        anchor: What names it in the page's addresses.
        piles: The piles, in the order of the page.
        images: Every photograph that is in some pile, once.
        names: Names of the matrix's rows, and of its columns; empty where there is no matrix.
        groups: The group of each name; cells within a group have a ground of their own. Empty where there are none.
        chart: What is shown where nothing can be clicked; None for nothing.
        first: How many piles are shown among other things; a page of its own beside the report has all. 0: all are.
    """

    anchor: str
    piles: list[Pile]
    images: list[Image]
    names: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    chart: Image | None = None
    first: int = 0
    title: str = ""
    note: str = ""
    role: Role = ""
    kind: Literal["album"] = "album"


Block = Annotated[Facts | Table | Images | Album, Field(discriminator="kind")]


@dataclass(frozen=True, config=_PLAIN)
class Card:
    """A headline figure: its value and, where it has one, its interval (0..1)."""

    label: str
    value: str
    note: str
    share: float | None = None
    low: float | None = None
    high: float | None = None
    interval: str = ""


@dataclass(frozen=True, config=_PLAIN)
class Opening:
    """What a report opens with: the figures to remember, and the sentence that says how to read them."""

    cards: list[Card]
    sentence: str


@dataclass(frozen=True, config=_PLAIN)
class Shown:
    """What a stage shows.

    Attributes:
        title: What its section in the report is called.
        figure: What it has come to, in a few words: for lists, where there is no room for more.
        lead: A sentence for the top of the report; may be empty.
        notices: What a reader must know before any figure, such as that the pictures are synthetic.
        opening: What the report opens with; None for most stages.
        cards: Further headline figures.
        findings: What an honest reader would say about the figures, one sentence each.
        blocks: All else, in the order of the page.
        settings: What the stage was given, by dotted name.
        document: Markdown that is shown in place of all else: a stage whose result is a page.
    """

    title: str
    figure: str = ""
    lead: str = ""
    notices: tuple[str, ...] = ()
    opening: Opening | None = None
    cards: list[Card] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    document: str = ""


@dataclass(frozen=True, config=_PLAIN)
class Section:
    """A section with its anchor, set in columns when it is ``dense``."""

    anchor: str
    title: str
    blocks: list[Block]
    dense: bool = False


@dataclass(frozen=True, config=_PLAIN)
class Page:
    """A whole report, or what the Prefect UI shows of one stage; whatever is left out is not shown."""

    title: str = ""
    summary: str = ""
    notices: tuple[str, ...] = ()
    opening: Opening | None = None
    cards: list[Card] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)

    def images(self) -> list[Image]:
        """Return every picture that stands alone."""
        blocks = [block for section in self.sections for block in section.blocks]
        charts = [block.chart for block in blocks if isinstance(block, Album) and block.chart]
        return [image for block in blocks if isinstance(block, Images) for image in block.images] + charts

    def albums(self) -> list[Album]:
        """Return every album, in the order of the page."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Album)]


_STORED = TypeAdapter(Shown)


def keep_shown(folder: Path, shown: Shown, results: Sequence[Manifest]) -> Summary:
    """Write what a stage shows into a folder; return how long its results took to compute, which is no part of that file.

    Returns:
        ``seconds`` and ``images_per_second`` (None where no images are counted), summed over shards though several ran at a
        time, and a ``note`` on both.
    """
    (folder / SHOWN).write_bytes(_STORED.dump_json(shown))
    seconds = sum(result.seconds for result in results)
    images = sum(result.summary.get("computed", 0) for result in results)
    rate = images / seconds if images and seconds else None
    note = f"summed over {len(results)} shards" if len(results) > 1 else ""
    return {"seconds": seconds, "images_per_second": rate, "note": note}


def read_shown(folder: Path) -> Shown:
    """Return what `keep_shown` has written into a folder."""
    return _STORED.validate_json((folder / SHOWN).read_bytes())


def facts(rows: Mapping[str, Any], title: str = "", role: Role = "") -> list[Block]:
    """Return labels with their values as a list of one block, or of none without any."""
    return [Facts([(name, value(item)) for name, item in rows.items()], title, role=role)] if rows else []


def scalars(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a stage's summary says in single values, with its names in plain words."""
    return {name.replace("_", " "): item for name, item in summary.items() if not isinstance(item, dict | list)}


def settings_of(results: Results) -> dict[str, Any]:
    """Return the settings that a stage was given, those of all its shards together."""
    return {name: item for ref in results.values() for name, item in ref.manifest().parts["settings"].items()}


def megabytes(results: Results) -> str:
    """Return the size of results, such as ``12.3 MB``."""
    return f"{sum(output.bytes for ref in results.values() for output in ref.manifest().outputs) / 1e6:,.1f} MB"
