"""Checkpoints: the states of a training from which it goes on when it was killed, as if nothing had happened."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mindspore
from mindspore import Tensor
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

Arrays = dict[str, NDArray[Any]]

_NAME = re.compile(r"epoch-(\d+)\.ckpt")
_FINGERPRINT = "fingerprint"


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints ``epoch-NNN.ckpt`` of one training in a folder of its own.

    They are MindSpore checkpoints with a checksum. A file appears complete or not at all: MindSpore writes it under another
    name and renames it.

    Attributes:
        folder: Where they are; created when needed.
        fingerprint: Says which training it is; a checkpoint with another one is never used.
        every: Epochs from one checkpoint to the next.
        keep: Number of checkpoints kept, the newest.
    """

    folder: Path
    fingerprint: str
    every: int
    keep: int

    def is_due(self, epoch: int) -> bool:
        """Return whether a checkpoint belongs after this epoch."""
        return epoch % self.every == 0

    def save(self, epoch: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write the checkpoint of an epoch and remove those that are too old; equal arrays give equal bytes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"epoch-{epoch:03d}.ckpt"
        entries = [{"name": name, "data": Tensor(array)} for name, array in arrays.items()]
        # The fingerprint is the last entry, so a file cut off anywhere has none.
        mindspore.save_checkpoint(entries, str(path.absolute()), append_dict={_FINGERPRINT: self.fingerprint}, crc_check=True)
        for old in self._newest_first()[self.keep :]:
            old.unlink()

    def newest(self) -> Arrays | None:
        """Return the arrays of the newest checkpoint that is whole and of this training; None without one.

        Checkpoints that can't be used, and leftovers of a kill, are removed, so that none outlives the training.
        """
        for leftover in self.folder.glob("epoch-*.tmp"):
            leftover.unlink()
        for path in self._newest_first():
            if (arrays := self._read(path)) is not None:
                return arrays
            path.unlink()
        return None

    def _newest_first(self) -> list[Path]:
        epochs = {path: match for path in self.folder.glob("epoch-*.ckpt") if (match := _NAME.fullmatch(path.name))}
        return sorted(epochs, key=lambda path: int(epochs[path][1]), reverse=True)

    def _read(self, path: Path) -> Arrays | None:
        try:
            entries = mindspore.load_checkpoint(str(path.absolute()), crc_check=True)
        except ValueError:
            logger.warning("Checkpoint %s is damaged and is not used.", path.name)
            return None
        if entries.pop(_FINGERPRINT, None) != self.fingerprint:
            logger.warning("Checkpoint %s is cut off or of another training (settings or data) and is not used.", path.name)
            return None
        return {name: entry.asnumpy() for name, entry in entries.items()}
