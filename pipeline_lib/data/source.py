"""A dataset that was found but not read yet, and what every kind of place that datasets come from has to offer.

Values alone, and no part of any key: a source counts by its fingerprint and by the code of its readers.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from pipeline_lib.data.decisions import Decisions
from pipeline_lib.progress import Progress
from pipeline_lib.settings.sections import DataSettings
from pipeline_lib.stages.key import Code


class Source(BaseModel):
    """A dataset that was found but not read yet.

    Attributes:
        name: What people call it: a name that a kind has, or the last part of the path.
        kind: The kind of place that it comes from, as results and reports name it.
        location: Address of a remote dataset, absolute path of an archive or folder, "" for what is embedded or has several.
        fingerprint: Identity of the content. Two sources of one fingerprint hold the same images.
        readers: What reads it, the outermost first. The key of a stage that is given the source covers their code, and no other
            kind's.
        decisions: What people decided about the labels; an input of its own, so that a changed decision explains itself.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    kind: str
    location: str
    fingerprint: str
    readers: tuple[Code, ...]
    decisions: Decisions = Decisions()


class Opened(NamedTuple):
    """A dataset whose files can be read.

    Attributes:
        root: The folder that holds them.
        temporary: Whether the files are copies that may be moved, instead of the user's own.
        archive_sha256: Digest of the archive that they come from; None without one.
        names_read_as: The encoding in which an archive's names were read that do not state theirs; "" where there are none.
        synthetic: Whether the images are those of the embedded sample.
    """

    root: Path
    temporary: bool = False
    archive_sha256: str | None = None
    names_read_as: str = ""
    synthetic: bool = False


class Reader(Protocol):
    """Opens a source of one kind."""

    def __call__(
        self, source: Source, scratch: Path, data: DataSettings, downloads: Path, progress: Progress
    ) -> AbstractContextManager[Opened]:
        """Yield the files of a source; at the end they are checked to be still those of its fingerprint.

        Args:
            source: What to read.
            scratch: A folder that does not exist yet, for what has to be unpacked; whoever calls removes it.
            data: Limits.
            downloads: Folder in which downloads are kept for the next time.
            progress: Called while bytes arrive.

        Raises:
            PipelineError: The bytes cannot be read, or changed meanwhile.
        """
        ...


class Kind(Protocol):
    """A kind of place that datasets of photographs come from: a module of ``data/kinds``, listed in `sources.KINDS`.

    Attributes:
        NAMES: What a user may give instead of a path.
        PATHS: What a path of this kind leads to, in words, such as "folder"; "" where there are names alone.
        opened: The reader of its sources, which `Source.readers` names.
    """

    @property
    def NAMES(self) -> tuple[str, ...]:  # noqa: D102, N802  # a module's constant
        ...

    @property
    def PATHS(self) -> str:  # noqa: D102, N802  # a module's constant
        ...

    @property
    def opened(self) -> Reader:  # noqa: D102  # see above
        ...

    def place(self, dataset: str, downloads: Path) -> Path | None:
        """Return the folder or file that a dataset is in, or will be downloaded to; None if it is not of this kind."""
        ...

    def identify(self, place: Path) -> Source:
        """Return what is in a place, with the fingerprint of its content; PipelineError if it is no dataset."""
        ...
