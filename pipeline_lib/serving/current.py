"""The model that answers now: what a path leads to, also after that has changed."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path

from pipeline_lib.prediction.model import Model, open_model
from pipeline_lib.stages.publishing import MANIFEST


@dataclass(frozen=True)
class Served:
    """A model that is loaded.

    Attributes:
        model: What classifies.
        digest: What identifies its files, as its manifest has it; the folder's name where it has none.
    """

    model: Model
    digest: str


class Current:
    """The model at a path such as ``latest/garbage-finetune/pictures/model``, loaded anew when the path leads elsewhere.

    A request keeps the model that it was given; the next one gets the new model.

    Args:
        path: A model's folder, or a link to one.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._loading = path, threading.Lock()
        self._folder = path.resolve()
        self._served = _load(self._folder)

    def get(self) -> Served:
        """Return the model to be used now; may be called from several threads.

        Raises:
            PipelineError: The path leads to another folder, and there is no model in it that can be loaded.
        """
        if self._path.resolve() != self._folder:
            with self._loading:
                if (folder := self._path.resolve()) != self._folder:
                    self._served = _load(folder)
                    self._folder = folder
        return self._served


def _load(folder: Path) -> Served:
    model = open_model(folder)
    try:
        digest = json.loads((folder / MANIFEST).read_bytes())["digest"]
    except FileNotFoundError:
        digest = folder.name
    return Served(model, digest)
