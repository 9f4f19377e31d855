"""How work that takes long reports its progress to its caller."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int | None, str], None]
"""``progress(done, total, text)``: units done, units in all (None if unknown), and what they are, such as ``images``."""


def ignore_progress(done: int, total: int | None, text: str) -> None:
    """Show nothing."""
