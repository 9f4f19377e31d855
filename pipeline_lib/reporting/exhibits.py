"""What the Prefect UI shows of each stage: one Markdown file, its pictures inside, drawn from the stage's stored results.

An exhibit is kept in the store like any result, under a key of its own: a run that reuses a stage shows it without
drawing anything, and an edited figure draws the exhibits anew but never computes the stage again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline_lib.reporting.content import ReportContent
from pipeline_lib.reporting.evaluation_section import evaluation_section, read_metrics
from pipeline_lib.reporting.facts import audit_facts, contact_sheet, leaks, timing
from pipeline_lib.reporting.formats import duration, value
from pipeline_lib.reporting.headline import cards, findings
from pipeline_lib.reporting.page import Block, Cell, Facts, Page, Section, Table, data_uri
from pipeline_lib.reporting.report import markdown_of
from pipeline_lib.reporting.sections import data_section, pictures, training_section
from pipeline_lib.stages.store import Manifest, Ref

EXHIBIT = "exhibit.md"

Results = Mapping[str, Ref]
"""The results of a stage by label: one, or one a shard."""


def draw_exhibit(folder: Path, *, stage: str, labels: list[str], results: list[Ref]) -> dict[str, Any]:
    """Write ``exhibit.md`` for a stage's results, whose labels come in the same order; return its size in bytes."""
    text = _EXHIBITS.get(stage, _any)(dict(zip(labels, results, strict=True)))
    (folder / EXHIBIT).write_text(text, encoding="utf-8")
    return {"bytes": len(text.encode())}


def _show(*blocks: Block, **page: Any) -> str:
    return markdown_of(Page(sections=[Section("", "", list(blocks))], **page), lambda image: image.uri)


def _only(results: Results) -> Ref:
    return next(iter(results.values()))


def _facts(facts: Mapping[str, Any], title: str = "") -> Facts:
    return Facts([(name, value(item)) for name, item in facts.items()], title)


def _settings(ref: Ref) -> Facts:
    return _facts(ref.manifest().parts["settings"], "Settings")


def _any(results: Results) -> str:
    """Show the summary of a stage that has nothing else to show."""
    first = _only(results)
    summary = first.manifest().summary
    facts = {name.replace("_", " "): item for name, item in summary.items() if not isinstance(item, dict)}
    return _show(_facts(facts), _settings(first))


def _dataset(results: Results) -> str:
    manifest = _only(results).manifest()
    dataset = manifest.summary
    counts = dataset["counts"]
    told = {**dataset, "set_aside": dataset["set_aside"]["count"]} if isinstance(dataset["set_aside"], dict) else dataset
    facts = {name.replace("_", " "): item for name, item in told.items() if not isinstance(item, dict | list)}
    facts |= {f"{split} images": sum(count.values()) for split, count in counts.items()}
    facts |= {"classes": len(dataset["classes"]), "digest of the content": manifest.digest}
    rows = [[Cell(name), *(Cell(value(count[name])) for count in counts.values())] for name in dataset["classes"]]
    chart = data_section(ReportContent(title="", class_counts=counts)).blocks
    return _show(_facts(facts), *chart, Table(["class", *counts], rows, "Counts"))


def _audit(results: Results) -> str:
    ref = _only(results)
    audit = ref.manifest().summary
    found = [
        [Cell(leak["image"]), Cell(leak["train"]), Cell(leak["kind"]), Cell(value(leak["mirrored"]))]
        for leak in audit["leaked"]["first"]
    ]
    note = f"The first {len(found)} of {audit['leaked']['count']}."
    table = [Table(["test image", "copy in train", "kind", "mirrored"], found, "Leaks by name", note)] if found else []
    return _show(_facts(audit_facts(audit)), *pictures("leaks", leaks(ref.folder)), *table, _settings(ref))


def _augment(results: Results) -> str:
    manifests = {label: ref.manifest() for label, ref in results.items()}
    rows = [
        [
            Cell(label),
            Cell(value(manifest.summary["images"])),
            Cell(value(manifest.summary["views"])),
            Cell(_megabytes(manifest)),
            Cell(duration(manifest.seconds)),
        ]
        for label, manifest in manifests.items()
    ]
    return _show(Table(["shard", "images", "views", "MB", "time"], rows, "Shards"), _settings(_only(results)))


def _data_new(results: Results) -> str:
    ref = _only(results)
    return _show(_facts(ref.manifest().summary), *pictures("data_new", contact_sheet(ref.folder)))


def _features(results: Results) -> str:
    manifests = {label: ref.manifest() for label, ref in results.items()}
    rate = timing("features", list(manifests.values())).images_per_second
    facts = {
        "shards": len(results),
        "images": sum(manifest.summary["images"] for manifest in manifests.values()),
        "images a second of a shard, several at work": rate and round(rate, 1),
        "megabytes": _megabytes(*manifests.values()),
        "engine": ", ".join(sorted({manifest.summary["engine"] for manifest in manifests.values()})),
    }
    rows = [
        [
            Cell(label),
            Cell(value(manifest.summary["images"])),
            Cell(value(manifest.summary["computed"])),
            Cell(value(round(manifest.summary["computed"] / max(manifest.seconds, 1e-3), 1))),
            Cell(_megabytes(manifest)),
            Cell(manifest.summary["engine"]),
        ]
        for label, manifest in manifests.items()
    ]
    return _show(_facts(facts), Table(["shard", "images", "computed", "images/s", "MB", "engine"], rows, "Shards"))


def _train(results: Results) -> str:
    ref = _only(results)
    summary = ref.manifest().summary
    facts = {name.replace("_", " "): item for name, item in summary.items()}
    content = ReportContent(title="", model=facts, history=ref.folder / "history.csv", best_epoch=summary["best_epoch"])
    facts_block, *curves = training_section(content).blocks
    return _show(*curves, facts_block, _settings(ref))


def _evaluate(results: Results) -> str:
    folder = _only(results).folder
    metrics = read_metrics(folder)
    blocks = evaluation_section(ReportContent(title="", evaluation=folder)).blocks
    return _show(*blocks, cards=cards(metrics), findings=findings(metrics))


def _report(results: Results) -> str:
    """Show the report itself, with the figures that stand beside it put inside."""
    folder = _only(results).folder

    def embedded(match: re.Match[str]) -> str:
        return f"]({data_uri(match[1], (folder / match[1]).read_bytes())})"

    return re.sub(r"\]\((figures/[^)]+)\)", embedded, (folder / "report.md").read_text(encoding="utf-8"))


def _megabytes(*manifests: Manifest) -> str:
    return f"{sum(output.bytes for manifest in manifests for output in manifest.outputs) / 1e6:.1f}"


_EXHIBITS: dict[str, Callable[[Results], str]] = {
    "dataset": _dataset,
    "audit": _audit,
    "augment": _augment,
    "data_new": _data_new,
    "features": _features,
    "train": _train,
    "evaluate": _evaluate,
    "report": _report,
}
