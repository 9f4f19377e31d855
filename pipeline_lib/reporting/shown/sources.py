"""What stage ``sources`` shows: leaks, and photographs of one source under several classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline_lib.reporting.blocks import Block, Cell, Results, Shown, Table, facts
from pipeline_lib.reporting.pictures import picture_file

KINDS = {
    "bytes": "same bytes",
    "pixels": "same pixels",
    "near": "near-copies",
    "registered": "cropped, turned, scaled or mirrored",
    "indirect": "tied by other images",
}
"""Kinds of evidence in words."""


def show(results: Results) -> Shown:
    """Show how many sources there are, and the test images whose source is in train too."""
    (ref,) = results.values()
    found = ref.manifest().summary
    sources, leaked, conflicts = found["sources"], found["leaked"], found["label_conflicts"]
    images = sum(found["images"].values())
    rows = {
        "images": images,
        "sources": sources["count"],
        "sources with several images": sources["repeated"],
        "images of the largest source": f"{sources['largest']['size']} ({sources['largest']['image']})",
        "test images whose source is in train too": f"{leaked['count']} of {found['images'].get('test', 0)}{_kinds(leaked)}",
        "sources under several classes": conflicts["count"],
        "pairs compared": found["candidates"],
    }
    blocks: list[Block] = facts(rows)
    caption = "Test images beside the training images of the same source."
    blocks += picture_file("leaks", ref.folder / "leaks.jpg", "Leaks", caption)
    blocks += _leaks(leaked) + _conflicts(conflicts)
    test = "1 test image" if leaked["count"] == 1 else f"{leaked['count']:,} test images"
    return Shown("Sources", f"{sources['count']:,} sources of {images:,} images, {test} also in train", blocks=blocks)


def _kinds(leaked: Mapping[str, Any]) -> str:
    kinds = [f"{count} {KINDS[kind]}" for kind, count in leaked["kinds"].items() if count]
    return f" ({'; '.join(kinds)})" if kinds else ""


def _leaks(leaked: Mapping[str, Any]) -> list[Block]:
    cells = [[Cell(each["image"]), Cell(each["train"]), Cell(each["how"])] for each in leaked["first"]]
    note = f"The first {len(cells)} of {leaked['count']}."
    return [Table(["test image", "in train", "how it differs"], cells, "Leaks by name", note, "detail")] if cells else []


def _conflicts(conflicts: Mapping[str, Any]) -> list[Block]:
    cells = [[Cell(first), Cell(", ".join(others))] for first, *others in conflicts["first"]]
    note = f"The first {len(cells)} of {conflicts['count']}."
    return [Table(["image", "same source"], cells, "Sources under several classes", note)] if cells else []
