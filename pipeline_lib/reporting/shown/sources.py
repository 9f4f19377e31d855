"""What stage ``sources`` shows: leaks, and photographs of one source under several classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline_lib.audit.findings import read_groups, read_leaked
from pipeline_lib.reporting.albums import Open, photographs_of, small_pictures, source_piles
from pipeline_lib.reporting.blocks import Album, Block, Cell, Results, Shown, Table, facts
from pipeline_lib.reporting.pictures import picture_file
from pipeline_lib.stages.result import Ref

FIRST_SHEETS, MOST_SHEETS = 24, 1000
"""Sources that the report shows among other things, and that its page of sources shows at most."""

KINDS = {
    "bytes": "same bytes",
    "pixels": "same pixels",
    "near": "near-copies",
    "registered": "cropped, turned, scaled or mirrored",
    "indirect": "tied by other images",
}
"""Kinds of evidence in words."""


def show(results: Results, dataset: Ref | None = None) -> Shown:
    """Show how many sources there are, those of several photographs, and the test images whose source is in train too."""
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
    if dataset:
        blocks += _sheets(ref.folder, photographs_of(dataset))
    blocks += _leaks(leaked) + _conflicts(conflicts)
    test = "1 test image" if leaked["count"] == 1 else f"{leaked['count']:,} test images"
    return Shown("Sources", f"{sources['count']:,} sources of {images:,} images, {test} also in train", blocks=blocks)


def _sheets(folder: Path, open_image: Open) -> list[Block]:
    """Return the sources of several photographs as sheets that open on a click, or nothing without any."""
    sources: defaultdict[str, list[str]] = defaultdict(list)
    for key, source in read_groups(folder).items():
        sources[str(source)].append(key)
    leaked = read_leaked(folder)
    leaking = [source for source, keys in sources.items() if not leaked.isdisjoint(keys)]
    piles = source_piles(sources, leaking)[:MOST_SHEETS]
    if not piles:
        return []
    images = small_pictures([key for keys in sources.values() for key in keys], piles, open_image)
    note = "A click opens the photographs of a source. Those in both train and test come first, then the largest."
    return [Album("sources-of-several", piles, images, first=FIRST_SHEETS, title="Sources of several photographs", note=note)]


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
