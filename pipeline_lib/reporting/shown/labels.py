"""What stage ``labels`` shows: the labels that are suspected to be wrong, and how to decide on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pipeline_lib.files.table import read_table
from pipeline_lib.labels.listed import OUTLIERS, OVERLAPS, SUSPECTS, picture_of
from pipeline_lib.reporting.blocks import Block, Cell, Images, Results, Shown, Table, settings_of
from pipeline_lib.reporting.pictures import photograph

Row = dict[str, str]

_LISTED = 200
"""Suspects in the table of the report; the stage's result lists all."""

HOW = (
    "Many of these are hard photographs with the right label, so a person decides. For a wrong label: garbage label PHOTO "
    "--as CLASS --dataset PATH; for a right one: --as keep; for a photograph that belongs in no class: --as remove. PHOTO is a "
    "path or a sha256. The next run uses the decisions and does not ask again."
)


def show(results: Results) -> Shown:
    """Show the suspects as pictures with the given class, the suggested one and its probability, the outliers, and overlaps."""
    (ref,) = results.values()
    suspects, outliers, overlaps = (read_table(ref.folder / name) for name in (SUSPECTS, OUTLIERS, OVERLAPS))
    summary = ref.manifest().summary
    blocks: list[Block] = [
        *_gallery(ref.folder, "suspects", suspects, "Suspected labels", HOW, _suggestion),
        *_suspects(suspects),
        *_overlaps(overlaps),
        *_gallery(ref.folder, "outliers", outliers, "Like no other", "Farthest from all other photographs.", _distance),
    ]
    figure = f"{len(suspects):,} of {summary['photographs']:,} labels suspected to be wrong, {summary['sources']:,} sources"
    return Shown("Labels", figure, findings=[f"{figure[0].upper()}{figure[1:]}."], blocks=blocks, settings=settings_of(results))


def _gallery(folder: Path, name: str, rows: Sequence[Row], title: str, note: str, caption: Callable[[Row], str]) -> list[Block]:
    """Return the pictures of a list, one for each source, with how many photographs of that source are on it."""
    of_source = Counter(row["source"] for row in rows)
    images = [
        photograph(
            f"{name}-{row['rank']}",
            path,
            row["image"],
            heading=row["given"],
            caption=caption(row),
            tag=f"{count} photographs of it" if (count := of_source[row["source"]]) > 1 else "",
        )
        for row in rows
        if (path := folder / picture_of(name, int(row["rank"]))).is_file()
    ]
    return [Images(images, "gallery", title, note)] if images else []


def _suggestion(row: Row) -> str:
    return f"perhaps {row['suggested']}, {float(row['probability']):.0%}"


def _distance(row: Row) -> str:
    return f"distance {float(row['distance']):.2f}"


def _suspects(rows: Sequence[Row]) -> Iterator[Table]:
    if rows:
        columns = ["image", "given", "suggested", "probability", "sha256"]
        cells = [
            [Cell(f"{float(row[name]):.0%}" if name == "probability" else row[name]) for name in columns]
            for row in rows[:_LISTED]
        ]
        note = "The most suspicious first." if len(rows) <= _LISTED else f"The first {_LISTED} of {len(rows):,}."
        yield Table(columns, cells, "Suspected labels by name", note, "detail")


def _overlaps(rows: Sequence[Row]) -> Iterator[Table]:
    if rows:
        cells = [[Cell(row["class"]), Cell(row["other"]), Cell(f"{float(row['images']):.0f}")] for row in rows[:10]]
        note = "How many photographs have the label of one class and belong in the other, as estimated."
        yield Table(["class", "other class", "photographs"], cells, "Classes that overlap", note)
