"""The lines of the server's log that count as harmless are those that the documentation calls so, and no others."""

from __future__ import annotations

import re

from operated import HARMLESS, errors
from support import PROJECT


def documented() -> list[str]:
    text = (PROJECT / "docs" / "operating.md").read_text(encoding="utf-8")
    table = text.partition("## The server's log")[2].partition("\n## ")[0]
    return [line for line in table.splitlines() if line.startswith("| `")]


def test_every_documented_line_is_harmless_and_every_harmless_line_documented() -> None:
    quoted = [match.group(1) for row in documented() if (match := re.match(r"\| `([^`]*)`", row))]
    assert len(quoted) == len(HARMLESS)
    assert all(any(re.search(pattern, line) for line in quoted) for pattern in HARMLESS)


def test_an_error_counts_unless_its_record_has_a_harmless_line() -> None:
    busy = "02:30:00.000 | ERROR   | prefect - Heartbeat failed\nsqlite3.OperationalError: database is locked\n"
    other = "02:30:01.000 | ERROR   | prefect - Something else\nValueError: wrong\n"
    assert errors(busy + other) == [other]
