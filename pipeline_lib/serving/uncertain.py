"""Photographs whose answer is not sure, kept for labelling where somebody has asked for that."""

from __future__ import annotations

import csv
import logging
import re
import threading
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipeline_lib.errors import PipelineError
from pipeline_lib.serving.uploads import Upload
from pipeline_lib.stages.publishing import write_atomically

TABLE = "answers.csv"
COLUMNS = ("photograph", "class", "probability", "bin", "noise", "model")

_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")

_log = logging.getLogger(__name__)


class Uncertain:
    """A folder of photographs whose answer was not sure, with a table of what was answered.

    A photograph is called by the sha256 of its bytes, so that one which is sent again is kept once; what its sender calls it is
    not kept. May be used from several threads.

    Args:
        folder: The folder; it is made.

    Raises:
        PipelineError: It cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._writing = folder, threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._append([])
        except OSError as error:
            raise PipelineError(f"{folder} cannot be written: {error.strerror}; name another folder") from error

    def keep(self, uploads: Sequence[Upload], rows: Sequence[Mapping[str, Any]], model: str) -> None:
        """Keep those photographs whose row is not sure; a full disk is reported in the log, and costs no answer.

        Args:
            uploads: The photographs.
            rows: What was answered, in the same order.
            model: Digest of the model.
        """
        with self._writing:
            try:
                for upload, row in zip(uploads, rows, strict=True):
                    if not row.get("sure", True):
                        self._keep(upload, {**row, "model": model})
            except OSError as error:
                _log.error("an uncertain photograph could not be kept in %s: %s", self._folder, error.strerror)

    def _keep(self, upload: Upload, row: Mapping[str, Any]) -> None:
        suffix = Path(upload.name).suffix.lower()
        digest = sha256(upload.content).hexdigest()
        if any(self._folder.glob(f"{digest}*")):
            return
        name = digest + (suffix if _SUFFIX.fullmatch(suffix) else "")
        write_atomically(self._folder / name, upload.content)
        self._append([{**row, "photograph": name}])

    def _append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows to the table, which gets its header first."""
        with (self._folder / TABLE).open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
            if not file.tell():
                writer.writeheader()
            writer.writerows(rows)
