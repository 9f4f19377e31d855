"""What stage ``report`` shows: itself, with the figures inside that are beside its Markdown file."""

from __future__ import annotations

import re

from pipeline_lib.reporting.blocks import Results, Shown, data_uri, megabytes


def show(results: Results) -> Shown:
    """Show the report."""
    (ref,) = results.values()

    def embedded(match: re.Match[str]) -> str:
        return f"]({data_uri(match[1], (ref.folder / match[1]).read_bytes())})"

    text = (ref.folder / "report.md").read_text(encoding="utf-8")
    return Shown("Report", megabytes(results), document=re.sub(r"\]\((figures/[^)]+)\)", embedded, text))
