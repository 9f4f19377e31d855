"""The report: one HTML file that needs nothing else, and one Markdown file with its figures beside it."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from pipeline_lib.reporting import markdown
from pipeline_lib.reporting.content import ReportContent
from pipeline_lib.reporting.evaluation_section import evaluation_section, read_metrics
from pipeline_lib.reporting.headline import cards, findings
from pipeline_lib.reporting.page import Image, Page
from pipeline_lib.reporting.sections import data_section, run_section, settings_section, training_section

_FIGURES = "figures"


def build_report(folder: Path, content: ReportContent) -> dict[str, Any]:
    """Write ``report.html``, ``report.md`` and ``figures/`` into a folder; the same content gives the same bytes.

    Every text of the content is shown as text, whatever HTML or Markdown it holds.

    Returns:
        ``html`` and ``markdown``: names of the files; ``bytes``: size of the HTML file; ``findings``: the sentences that
        stand at its top.
    """
    page = _page(content)
    (folder / _FIGURES).mkdir(parents=True, exist_ok=True)
    for image in page.images():
        (folder / _FIGURES / image.name).write_bytes(image.data)
    html = _environment().get_template("report.html.j2").render(page=page)
    text = markdown_of(page, lambda image: f"{_FIGURES}/{image.name}")
    (folder / "report.html").write_bytes(html.encode())
    (folder / "report.md").write_bytes(text.encode())
    return {"html": "report.html", "markdown": "report.md", "bytes": len(html.encode()), "findings": page.findings}


def markdown_of(page: Page, address: Callable[[Image], str]) -> str:
    """Return a page as Markdown; ``address`` says where each picture is found."""
    return _environment(for_markdown=True).get_template("report.md.j2").render(page=page, address=address)


def _page(content: ReportContent) -> Page:
    metrics = read_metrics(content.evaluation) if content.evaluation is not None else None
    makers = (data_section, training_section, evaluation_section, settings_section, run_section)
    return Page(
        title=content.title,
        summary=content.summary,
        notices=content.notices,
        cards=cards(metrics) if metrics else [],
        findings=findings(metrics) if metrics else [],
        sections=[section for make in makers if (section := make(content)).blocks],
    )


def _template(name: str) -> str:
    """Return a template as it was when the process began: the report's key names that one."""
    content = pkgutil.get_data(__package__, f"templates/{name}")
    assert content is not None  # noqa: S101  # for the type checker: no loader of ours returns None
    return content.decode()


def _environment(*, for_markdown: bool = False) -> Environment:
    """Return the templates' environment: every value that a template prints is escaped for its language."""
    return Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        finalize=markdown.escape if for_markdown else None,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
