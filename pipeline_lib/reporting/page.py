"""The parts of a report as both templates see them: sections made of blocks, all texts ready to print but not yet escaped."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

_WIDE, _TINY = 1200, 64  # pixels


def data_uri(name: str, data: bytes) -> str:
    """Return a JPEG or PNG file as a data URI; its name says which it is."""
    kind = "jpeg" if name.endswith(".jpg") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text; for a share also the share and its interval to draw (0..1), and the interval's text."""

    text: str
    share: float | None = None
    low: float | None = None
    high: float | None = None
    interval: str = ""


@dataclass(frozen=True)
class Facts:
    """Labels with their values."""

    rows: list[tuple[str, str]]
    title: str = ""
    note: str = ""
    kind: str = field(default="facts", init=False)


@dataclass(frozen=True)
class Table:
    """A table; the first column names the row."""

    columns: list[str]
    rows: list[list[Cell]]
    title: str = ""
    note: str = ""
    kind: str = field(default="table", init=False)


@dataclass(frozen=True)
class Images:
    """Pictures beside or below one another: ``half`` and ``third`` of the page's width each, ``full``, or a ``gallery``."""

    images: list[Image]
    size: str = "full"
    title: str = ""
    note: str = ""
    kind: str = field(default="images", init=False)


Block = Facts | Table | Images


@dataclass(frozen=True)
class Section:
    """A section with its anchor; it is left out when it has no block, and set in columns when it is ``dense``."""

    anchor: str
    title: str
    blocks: list[Block]
    dense: bool = False


@dataclass(frozen=True)
class Card:
    """A headline figure: its value and, where it has one, its interval (0..1)."""

    label: str
    value: str
    note: str
    share: float | None = None
    low: float | None = None
    high: float | None = None
    interval: str = ""


@dataclass(frozen=True)
class Page:
    """A whole report, or what the Prefect UI shows of one stage; whatever is left out is not shown."""

    title: str = ""
    summary: str = ""
    notices: tuple[str, ...] = ()
    cards: list[Card] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)

    def images(self) -> list[Image]:
        """Return every picture, in the order of the page."""
        blocks = [block for section in self.sections for block in section.blocks]
        return [image for block in blocks if isinstance(block, Images) for image in block.images]
