"""A dataset of small grey images that was found but not read yet, and what every kind of it has to offer. Values alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pipeline_lib.data.decisions import Decisions
from pipeline_lib.data.source import Source
from pipeline_lib.progress import Progress
from pipeline_lib.settings.sections import DataSettings

if TYPE_CHECKING:
    from pipeline_lib.mnist.arrays import Split


class ArraySource(Source):
    """A source of the stage ``dataset`` of ``lenet-mnist``.

    Attributes:
        title: What the report calls the dataset.
        what: What the dataset is, in words.
        needs: What else its reader reads, of ``data`` (limits, and the share that becomes test) and ``decisions``.
    """

    title: str
    what: str
    needs: tuple[str, ...] = ()


class Given(NamedTuple):
    """What the reader of a kind is given.

    Attributes:
        folder: Where the result goes.
        source: What to read.
        data: Limits of an image folder, and the share that becomes test where there is no test split.
        downloads: Folder in which downloads are kept for the next time.
        decisions: What people decided about the labels of an image folder; they change train alone.
        progress: Called while bytes arrive and images are looked at.
    """

    folder: Path
    source: ArraySource
    data: DataSettings
    downloads: Path
    decisions: Decisions
    progress: Progress


class Read(NamedTuple):
    """A dataset in memory: its splits by name, the names of its classes, and what else the summary says."""

    splits: dict[str, Split]
    classes: list[str]
    summary: dict[str, Any]


class Reader(Protocol):
    """Reads a source of one kind."""

    def __call__(self, given: Given) -> Read:
        """Return the dataset; PipelineError if its bytes cannot be read or are no dataset."""
        ...


class Kind(Protocol):
    """A kind of dataset: a module of ``mnist/kinds``, listed in `sources.KINDS`.

    Attributes:
        NAMES: What a user may give instead of a path.
        read: The reader of its sources, the first one of `Source.readers`.
    """

    @property
    def NAMES(self) -> tuple[str, ...]:  # noqa: D102, N802  # a module's constant
        ...

    @property
    def read(self) -> Reader:  # noqa: D102  # see above
        ...

    def find(self, dataset: str, downloads: Path) -> ArraySource | None:
        """Return the source of this kind by name or path; None if it is not of this kind, PipelineError if it is no dataset."""
        ...
