"""Weights that somebody has published, pinned. Light: whoever reads what there is imports no network."""

from __future__ import annotations

from typing import NamedTuple

from pipeline_lib.files.packages import Package


class Published(NamedTuple):
    """One file of weights.

    Attributes:
        name: What ``backbone.weights`` and the specification of a model call it.
        package: The package of a registry that holds the file; None if the file has an address of its own.
        file: Its path in the package, or its address.
        sha256: Digest of its content in hex, or the beginning of it where no more was published.
        licence: SPDX identifier.
        trained_on: What the weights have seen, for people: features of other subjects are only as good as they transfer.
    """

    name: str
    package: Package | None
    file: str
    sha256: str
    licence: str
    trained_on: str

    @property
    def fingerprint(self) -> str:
        """What identifies the weights and all that is said about them; nothing is downloaded."""
        return f"{self.name}:{self.sha256}:{self.licence}:{self.trained_on}"
