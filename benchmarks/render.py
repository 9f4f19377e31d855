"""Write the figures of a benchmark as JSON and as Markdown; both say the same."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

JSON, MARKDOWN = "benchmarks.json", "benchmarks.md"


def write(folder: Path, result: dict[str, Any]) -> None:
    """Write both files. The Markdown is made of what the JSON file holds, and of nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1)
    (folder / JSON).write_text(text + "\n", encoding="utf-8")
    (folder / MARKDOWN).write_text(markdown(json.loads(text)), encoding="utf-8")


def markdown(result: dict[str, Any]) -> str:
    """Return the whole page."""
    parts = [
        "# Benchmarks",
        f"Written by `{result['command']}` on {result['date']}, together with `{JSON}`; do not edit.",
        wrapped(f"{result['conditions']} Dataset: {result['dataset']}. All figures belong to the versions in this table:"),
        table(("machine", ""), result["machine"].items()),
        "## Targets",
        table(("target", "wanted", "measured", ""), map(target_cells, result["targets"])),
        *(part for section in result["sections"] for part in section_parts(section, result)),
    ]
    if result["failures"]:
        parts += ["## Not measured", table(("what", "why"), result["failures"].items())]
    return "\n\n".join(parts) + "\n"


def wrapped(paragraph: str) -> str:
    """Return a paragraph in lines of at most 120 characters."""
    return textwrap.fill(paragraph, 120, break_long_words=False, break_on_hyphens=False)


def target_cells(target: dict[str, Any]) -> Sequence[str]:
    """Return a target as the cells of a row."""
    return target["text"], target["wanted"], shown(target["measured"]), target["verdict"]


def section_parts(section: dict[str, str], result: dict[str, Any]) -> Iterable[str]:
    """Return heading, explanation, figures and commands of a section."""
    rows = [row for row in result["rows"] if row["section"] == section["name"]]
    yield f"## {section['name']}"
    yield wrapped(section["about"])
    yield table(("what", "figure", "median", "min", "max", "n"), map(row_cells, rows))
    yield "Commands, with `PYTHONPATH=.:benchmarks`:"
    commands = {row["name"]: row["command"] for row in rows}
    yield "\n".join(f"- {name}: `{command}`" for name, command in commands.items())


def row_cells(row: dict[str, Any]) -> Sequence[str]:
    """Return a figure as the cells of a row."""
    return row["name"], row["unit"], *map(shown, (row["median"], row["min"], row["max"])), str(row["repetitions"])


def shown(value: float | None) -> str:
    """Return a figure with as many digits as say something."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) >= 1 else f"{value:.4g}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", r"\|") for cell in line) + " |" for line in lines)
