"""Pages: the report, one HTML file that needs nothing else and one Markdown file with its figures beside it; and artifacts."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from pipeline_lib.reporting.blocks import Album, Block, Cell, Image, Page, Section, Shown, Table, facts, read_shown
from pipeline_lib.reporting.formats import duration, value
from pipeline_lib.reporting.looks import looks_in_words, optimism_in_words
from pipeline_lib.reporting.pages import markdown
from pipeline_lib.reporting.pages.albums import cells, first_piles, pictures_of
from pipeline_lib.reporting.pages.provenance import commit, versions
from pipeline_lib.stages.result import Ref

if TYPE_CHECKING:
    from pipeline_lib.evaluation.looks import Looks

_FIGURES = "figures"

Timings = Mapping[str, Mapping[str, Any]]
"""Stage -> what `keep_shown` has returned."""


def write_report(folder: Path, title: str, stages: Mapping[str, Ref], looks: Looks | None) -> dict[str, Any]:
    """Write the report on what each stage shows, in their order, and on the looks at the test set; see `build_report`."""
    shown = {stage: read_shown(ref.folder) for stage, ref in stages.items()}
    timings = {stage: ref.manifest().summary for stage, ref in stages.items()}
    at = commit()
    return build_report(folder, report_page(title, shown, timings, ({"commit": at} if at else {}) | versions(), looks))


def report_page(
    title: str, stages: Mapping[str, Shown], timings: Timings, made_with: Mapping[str, str], looks: Looks | None = None
) -> Page:
    """Return the report's page: a section for each stage that shows something, then all settings and the times.

    Args:
        title: The report's heading.
        stages: What each stage shows, in the order of the run.
        timings: How long each stage took.
        made_with: The commit and the versions of the libraries.
        looks: How often the test set was looked at.
    """
    every = list(stages.values())
    counted, warning = (looks_in_words(looks), optimism_in_words(looks)) if looks else ("", "")
    sections = [Section(stage.replace("_", "-"), shown.title, shown.blocks) for stage, shown in stages.items()]
    sections.append(Section("settings", "Settings", _settings(every), dense=True))
    sections.append(Section("run", "Run", [*_times(timings), *facts(made_with, "Versions")]))
    return Page(
        title,
        " ".join(shown.lead for shown in every if shown.lead),
        (*(notice for shown in every for notice in shown.notices), *filter(None, [warning])),
        next((shown.opening for shown in every if shown.opening), None),
        [card for shown in every for card in shown.cards],
        [*(finding for shown in every for finding in shown.findings), *filter(None, [counted])],
        [section for section in sections if section.blocks],
    )


def build_report(folder: Path, page: Page) -> dict[str, Any]:
    """Write ``report.html``, ``report.md`` and ``figures/`` into a folder; the same page gives the same bytes.

    Every text of the page is shown as text, whatever HTML or Markdown it holds.

    Returns:
        ``html`` and ``markdown``: names of the files; ``bytes``: size of the HTML file; ``findings``: the sentences at its top.
    """
    (folder / _FIGURES).mkdir(parents=True, exist_ok=True)
    for image in page.images():
        (folder / _FIGURES / image.name).write_bytes(image.data)
    html = _html(page)
    text = markdown_of(_without_details(page), lambda image: f"{_FIGURES}/{image.name}")
    (folder / "report.html").write_bytes(html.encode())
    for album in page.albums():
        if len(first_piles(album)) < len(album.piles):
            (folder / f"{album.anchor}.html").write_bytes(_html(_whole(page.title, album)).encode())
    (folder / "report.md").write_bytes(text.encode())
    return {
        "html": "report.html",
        "markdown": "report.md",
        "bytes": len(html.encode()),
        "findings": ([page.opening.sentence] if page.opening else []) + page.findings,
    }


def _html(page: Page) -> str:
    pictures = pictures_of([(album, first_piles(album)) for album in page.albums()])
    return _environment().get_template("report.html.j2").render(page=page, pictures=pictures)


def _whole(title: str, album: Album) -> Page:
    """Return a page that shows all piles of an album."""
    section = Section(album.anchor, album.title, [replace(album, first=0, title="")])
    return Page(f"{title}: {album.title}", sections=[section])


def artifact_of(shown: Shown, timing: Mapping[str, Any]) -> str:
    """Return what the Prefect UI shows of one stage: Markdown with its pictures inside."""
    if shown.document:
        return shown.document
    took = facts({"time to compute": duration(timing["seconds"]), "images/s": _rate(timing), "note": timing["note"]}, "Time")
    blocks = [*shown.blocks, *facts(shown.settings, "Settings"), *took]
    page = Page("", "", shown.notices, shown.opening, shown.cards, shown.findings, [Section("", "", blocks)])
    return markdown_of(page, lambda image: image.uri, _clickable)


def markdown_of(page: Page, address: Callable[[Image], str], clickable: Callable[[Album], str] | None = None) -> str:
    """Return a page as Markdown.

    Args:
        page: The page.
        address: Says where each picture is found.
        clickable: Returns an album as a line of HTML; without it the page shows the albums' charts.
    """
    return _environment(for_markdown=True).get_template("report.md.j2").render(page=page, address=address, clickable=clickable)


def _clickable(album: Album) -> Markup:
    """Return an album as one line of HTML: within Markdown, an empty line would end it."""
    piles = first_piles(album)
    template = _environment().get_template("artifact_album.html.j2")
    html = template.render(block=album, piles=piles, pictures=pictures_of([(album, piles)]))
    return Markup("".join(line.strip() for line in html.splitlines()))  # noqa: S704  # the template has escaped it


def _without_details(page: Page) -> Page:
    sections = [
        replace(section, blocks=[block for block in section.blocks if block.role != "detail"]) for section in page.sections
    ]
    return replace(page, sections=[section for section in sections if section.blocks])


def _settings(stages: Sequence[Shown]) -> list[Block]:
    """Return what all stages were given: a block for each section of the settings, and one for what belongs to none."""
    sections: dict[str, dict[str, Any]] = {"general": {}}
    for name, item in sorted(((name, item) for shown in stages for name, item in shown.settings.items()), key=lambda it: it[0]):
        section, _, rest = name.partition(".")
        sections.setdefault(section if rest else "general", {})[rest or name] = item
    return [block for section, rows in sections.items() for block in facts(rows, section)]


def _times(timings: Timings) -> Iterator[Table]:
    if len(timings) < 2:
        return
    total = sum(timing["seconds"] for timing in timings.values())
    longest = max(timing["seconds"] for timing in timings.values()) or 1.0
    rows = [
        [Cell(stage), Cell(duration(each["seconds"]), each["seconds"] / longest), Cell(_rate(each)), Cell(each["note"])]
        for stage, each in timings.items()
    ]
    note = f"{duration(total)} in all, each stage as when it was computed."
    yield Table(["stage", "time", "images/s", ""], rows, "Stages", note)


def _rate(timing: Mapping[str, Any]) -> str:
    return value(timing["images_per_second"] and round(timing["images_per_second"], 1))


def _template(name: str) -> str:
    """Return a template as it was when the process began: the report's key names that one."""
    content = pkgutil.get_data(__package__, f"templates/{name}")
    assert content is not None  # noqa: S101  # for the type checker: no loader of ours returns None
    return content.decode()


def _environment(*, for_markdown: bool = False) -> Environment:
    """Return the templates' environment: every value that a template prints is escaped for its language."""
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        finalize=markdown.escape if for_markdown else None,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cells": cells, "first_piles": first_piles}
    return environment
