"""The sections of a report, each from the part of the content that it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_lib.reporting import figures
from pipeline_lib.reporting.content import Picture, ReportContent, Timing
from pipeline_lib.reporting.formats import duration, value
from pipeline_lib.reporting.page import Block, Cell, Facts, Images, Section, Table
from pipeline_lib.reporting.pictures import drawn, photograph


def data_section(content: ReportContent) -> Section:
    """Return the dataset: facts, class counts, what the audit found, pictures."""
    blocks: list[Block] = [*_facts("", content.dataset), *_facts("Audit", content.audit)]
    if content.class_counts:
        splits = " and ".join(content.class_counts)
        chart = drawn(
            "class-counts", figures.class_counts(content.class_counts), f"Bar chart: images of each class in {splits}."
        )
        blocks.append(Images(chart, title="Images of each class"))
    return Section("data", "Data", blocks + pictures("data", content.data_pictures))


def training_section(content: ReportContent) -> Section:
    """Return the model and its training: facts, curves of loss, accuracy and learning rate."""
    blocks: list[Block] = [*_facts("", content.model)]
    if content.history is not None:
        history, best = figures.read_history(content.history), content.best_epoch
        curves = [
            *drawn("loss", figures.loss_curve(history, best), "Line chart: loss over the epochs."),
            *drawn("accuracy", figures.accuracy_curve(history, best), "Line chart: accuracy over the epochs."),
            *drawn("learning-rate", figures.learning_rate_curve(history), "Line chart: learning rate over the epochs."),
        ]
        epochs = len(history["epoch"])
        note = f"{epochs} epochs" if epochs != 1 else "1 epoch"
        note += f"; the parameters of epoch {best} were kept (dashed line)." if best is not None else "."
        blocks.append(Images(curves, "third", note=note))
    return Section("training", "Training", blocks)


def settings_section(content: ReportContent) -> Section:
    """Return every setting, one block for each section of the settings."""
    loose = {name: item for name, item in content.settings.items() if not isinstance(item, Mapping)}
    blocks: list[Block] = [*_facts("general", loose)]
    for name, section in content.settings.items():
        if isinstance(section, Mapping):
            blocks += _facts(name, dict(_flat(section)))
    return Section("settings", "Settings", blocks, dense=True)


def run_section(content: ReportContent) -> Section:
    """Return how the result came about: the stages with their times, the commit, the versions."""
    blocks: list[Block] = []
    if content.timings:
        blocks.append(_timings(content.timings))
    blocks += _facts("Versions", ({"commit": content.commit} if content.commit else {}) | content.versions)
    return Section("run", "Run", blocks)


def pictures(prefix: str, files: tuple[Picture, ...]) -> list[Block]:
    """Return a block for each picture file."""
    return [
        Images([photograph(f"{prefix}-{number}", file.path, file.title, caption=file.caption)], title=file.title)
        for number, file in enumerate(files, start=1)
    ]


def _facts(title: str, facts: Mapping[str, Any]) -> list[Facts]:
    return [Facts([(name, value(item)) for name, item in facts.items()], title)] if facts else []


def _flat(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested settings with their dotted names."""
    for name, item in section.items():
        if isinstance(item, Mapping):
            yield from _flat(item, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", item


def _timings(timings: tuple[Timing, ...]) -> Table:
    longest = max(timing.seconds for timing in timings) or 1.0
    rows = [
        [
            Cell(timing.stage),
            Cell(duration(timing.seconds), timing.seconds / longest),
            Cell(value(timing.images_per_second and round(timing.images_per_second, 1))),
            Cell(timing.note),
        ]
        for timing in timings
    ]
    total = sum(timing.seconds for timing in timings)
    return Table(
        ["stage", "time", "images/s", ""], rows, "Stages", f"{duration(total)} in all, each stage as when it was computed."
    )
