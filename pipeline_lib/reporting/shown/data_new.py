"""What stage ``data_new`` shows: the folder of originals and augmented copies."""

from __future__ import annotations

from pipeline_lib.reporting.blocks import Results, Shown, facts, settings_of
from pipeline_lib.reporting.pictures import picture_file


def show(results: Results) -> Shown:
    """Show the contact sheet."""
    (ref,) = results.values()
    counts = dict(sorted(ref.manifest().summary.items(), reverse=True))  # train first
    caption = "data_new: originals beside their noisy and rotated copies."
    sheet = picture_file("data_new", ref.folder / "contact_sheet.jpg", "Augmented views", caption)
    figure = " and ".join(f"{count:,} {which}" for which, count in counts.items())
    return Shown("data_new", figure, blocks=[*facts(counts), *sheet], settings=settings_of(results))
