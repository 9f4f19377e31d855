"""What stage ``audit`` shows: leaks, copies and oddities."""

from __future__ import annotations

from pipeline_lib.reporting.blocks import Block, Cell, Results, Shown, Table, facts, settings_of
from pipeline_lib.reporting.formats import value
from pipeline_lib.reporting.pictures import picture_file


def show(results: Results) -> Shown:
    """Show how much the audit found of everything, and the test images that are in train too."""
    (ref,) = results.values()
    audit = ref.manifest().summary
    leaked = audit["leaked"]
    rows = {
        "test images that are in train too": f"{leaked['count']} ({leaked['exact']} exact, {leaked['near']} near copies)",
        "pictures that occur more than once": audit["groups"]["repeated"],
        "pictures under several classes": audit["label_conflicts"]["count"],
        "tiny images": audit["tiny"]["count"],
        "near-blank images": audit["blank"]["count"],
        **{f"images per class, {split}": f"{each['min']} to {each['max']}" for split, each in audit["balance"].items()},
    }
    blocks: list[Block] = facts(rows)
    blocks += picture_file("leaks", ref.folder / "leaks.jpg", "Leaks", "Test images beside their copies in train.")
    if found := leaked["first"]:
        cells = [
            [Cell(each["image"]), Cell(each["train"]), Cell(each["kind"]), Cell(value(each["mirrored"]))] for each in found
        ]
        columns = ["test image", "copy in train", "kind", "mirrored"]
        blocks.append(Table(columns, cells, "Leaks by name", f"The first {len(found)} of {leaked['count']}.", "detail"))
    images = "1 test image" if leaked["count"] == 1 else f"{leaked['count']:,} test images"
    return Shown("Audit", f"{images} also in train", blocks=blocks, settings=settings_of(results))
