"""The files of a result that another result takes over: each is compared with its recorded digest first.

A copied or linked file is recorded anew, and a damaged one would look right from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline_lib.errors import PipelineError
from pipeline_lib.files.digest import file_sha256


class Kept:
    """A result on disk, to take files from.

    Attributes:
        folder: Its folder.
        digests: The recorded sha256 of each file, by path in the folder.
    """

    def __init__(self, folder: Path, digests: Mapping[str, str]) -> None:
        self.folder = folder
        self.digests = digests

    def is_intact(self, path: str) -> bool:
        """Whether a file is there and is what was recorded."""
        try:
            return file_sha256(self.folder / path) == self.digests.get(path)
        except OSError:
            return False

    def intact(self, path: str) -> Path:
        """Return a file that is what was recorded.

        Raises:
            PipelineError: It is missing or damaged.
        """
        if not self.is_intact(path):
            raise PipelineError(
                f"{self.folder / path} is missing or not what was recorded - run again with --verify, "
                "which computes anew what is damaged"
            )
        return self.folder / path
