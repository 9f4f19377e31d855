"""What stage ``split`` shows: how train and test were divided by source, and what it took away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline_lib.reporting.blocks import Cell, Results, Shown, Table, facts, settings_of
from pipeline_lib.reporting.formats import percent, split_in_words, value


def show(results: Results) -> Shown:
    """Show the new counts, what was wanted, and how many test images as delivered had a source in train."""
    (ref,) = results.values()
    summary = ref.manifest().summary
    by_source, counts = summary["by_source"], summary["counts"]
    delivered = {split: sum(classes.values()) for split, classes in by_source["delivered"].items()}
    rows = {
        **{f"{split} images": f"{sum(counts[split].values()):,} (as delivered {delivered[split]:,})" for split in counts},
        **{f"sources in {split}": by_source["sources"][split] for split in counts},
        "share of test wanted": percent(by_source["share"]),
        "test images as delivered with a source in train": f"{by_source['leaked']:,} of {delivered['test']:,}",
        "rule": by_source["rule"],
    }
    title = "Train and test divided by source"
    return Shown(
        title,
        f"{split_in_words(counts)}, no source in both",
        notices=(_notice(by_source["leaked"], delivered["test"]),),
        blocks=[*facts(rows), _classes(by_source, counts)],
        settings=settings_of(results),
    )


def _notice(leaked: int, test: int) -> str:
    return (
        "Train and test were divided anew, so that no source is in both. "
        f"As delivered, {leaked:,} of {test:,} test images had a source in train."
    )


def _classes(by_source: Mapping[str, Any], counts: Mapping[str, Mapping[str, int]]) -> Table:
    rows = [
        [Cell(label), *(Cell(value(count)) for count in (by_source["delivered"]["test"][label], wanted, counts["test"][label]))]
        for label, wanted in by_source["wanted"].items()
    ]
    return Table(["class", "test as delivered", "wanted", "test"], rows, "Test images of each class", role="detail")
