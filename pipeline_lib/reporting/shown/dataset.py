"""What stage ``dataset`` shows, of photographs and of small grey images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_lib.reporting import figures
from pipeline_lib.reporting.blocks import Block, Cell, Images, Results, Shown, Table, facts, settings_of
from pipeline_lib.reporting.formats import split_in_words, value
from pipeline_lib.reporting.pictures import drawn

DECISIONS = {
    "relabelled": "train images with another label than delivered",
    "removed": "train images removed",
    "test_corrected": "test images whose label is wrong",
    "kept": "images whose label was confirmed",
}
"""What people decided about labels, by its name in the stage's summary."""


def show(results: Results) -> Shown:
    """Show where the images come from, how many there are of each class, and what a reader must be warned of."""
    (ref,) = results.values()
    manifest = ref.manifest()
    summary = manifest.summary
    counts, classes = summary["counts"], summary["classes"]
    totals = {split: sum(count.values()) for split, count in counts.items()}
    rows = [[Cell(name), *(Cell(value(count[name])) for count in counts.values())] for name in classes]
    blocks: list[Block] = [
        *facts(dataset_facts(summary) | {"digest of the content": manifest.digest}),
        _chart(counts),
        Table(["class", *counts], rows, "Counts", role="detail"),
    ]
    lead = (
        f"The data: {summary['what']}." if "what" in summary else f"{sum(totals.values()):,} images in {len(classes)} classes."
    )
    figure = f"{split_in_words(counts)} in {len(classes)} classes"
    return Shown("Data", figure, lead, tuple(_notices(summary)), blocks=blocks, settings=settings_of(results))


def dataset_facts(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts on a dataset from the stage's summary, those that it has."""
    set_aside, labels = summary["set_aside"], summary.get("labels", {})
    rows = {
        "name": summary["name"],
        "what it is": summary.get("what"),
        "classes": len(summary["classes"]),
        **{f"{split} images": sum(count.values()) for split, count in summary["counts"].items()},
        "test split": summary["test_split"],
        "broken images set aside": set_aside["count"] if isinstance(set_aside, dict) else set_aside,
        **{name: labels[key] for key, name in DECISIONS.items() if labels.get("decisions")},
        "names in the archive read as": summary.get("names_read_as"),
        "sha256 of the archive": summary.get("archive_sha256"),
    }
    return {name: item for name, item in rows.items() if item not in (None, "")}


def _chart(counts: Mapping[str, Mapping[str, int]]) -> Images:
    alt = f"Bar chart: images of each class in {' and '.join(counts)}."
    return Images(drawn("class-counts", figures.class_counts(counts), alt), title="Images of each class")


def _notices(summary: Mapping[str, Any]) -> Iterator[str]:
    if summary.get("synthetic"):
        yield (
            "The pictures of this dataset are synthetic, drawn by a program. The figures show that the pipeline works, "
            "not how well photographs are told apart."
        )
    if summary.get("kind") == "digits":
        yield (
            "This is not MNIST but the small set of handwritten digits that scikit-learn ships. Its figures must not be "
            "compared with figures on MNIST."
        )
    if missed := summary.get("labels", {}).get("without_image"):
        yield f"{missed} of the {summary['labels']['decisions']} decisions on labels are about no usable image of the dataset."
    if summary["test_split"] != "given":
        yield "The dataset came without a test split; the last images of each class of train were set aside as test."
