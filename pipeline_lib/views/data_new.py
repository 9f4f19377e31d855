"""``data_new``: the augmented views of a dataset as one image folder that a person can open, and its contact sheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from pipeline_lib.files.links import link_or_copy
from pipeline_lib.files.table import read_table, write_table
from pipeline_lib.images.prepare import fit
from pipeline_lib.images.read import read_image
from pipeline_lib.stages.kept import Kept
from pipeline_lib.views.view import VIEW_INDEX, View

CONTACT_SHEET = "contact_sheet.jpg"
TILE, GAP, MARGIN = 132, 6, 24
"""Pixels of the contact sheet: side of a picture, space between pictures, room for a caption."""
SHEET_ROWS = 6


def link_views(folder: Path, shards: Sequence[tuple[Kept, Sequence[View]]]) -> dict[str, int]:
    """Lay these views of shards out as ``folder/<split>/<class>/<stem>-<view>.jpg``; return images per split.

    Files are hard links where the file system has them: the folder costs no space. ``index.csv`` records what was drawn for
    each image.

    Raises:
        PipelineError: An image is not what was recorded.
    """
    counts: dict[str, int] = {}
    rows = sorted((row for shard, views in shards for row in _rows(shard, views)), key=lambda row: row["file"])
    for row in rows:
        target = folder / row["file"]
        target.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(Path(row.pop("path")), target)
        split = row["image"].partition("/")[0]
        counts[split] = counts.get(split, 0) + 1
    write_table(folder / VIEW_INDEX, list(rows[0]) if rows else ["image", "file"], rows)
    return counts


def _rows(shard: Kept, views: Sequence[View]) -> Iterator[dict[str, str]]:
    for view in views:
        for row in read_table(shard.intact(f"{view.name}/{VIEW_INDEX}")):
            split, class_name, _ = row["image"].split("/")
            path = shard.intact(f"{view.name}/{row['file']}")
            yield {**row, "file": f"{split}/{class_name}/{path.stem}-{view.name}.jpg", "path": str(path)}


def draw_contact_sheet(path: Path, dataset: Path, data_new: Path, views: Mapping[str, Sequence[View]]) -> None:
    """Draw originals beside their noisy and rotated copies: a few classes of each split.

    Args:
        path: Where the picture goes; there is none without views.
        dataset: The originals.
        data_new: The views as ``link_views`` has laid them out.
        views: Which there are, by split, from the top down.
    """
    rows = [row for split, drawn in views.items() for row in _sheet_rows(split, dataset, data_new, drawn)]
    if not rows:
        return
    columns = max(len(pictures) for _, pictures in rows)
    sheet = Image.new("RGB", (GAP + columns * (TILE + GAP), GAP + len(rows) * (TILE + MARGIN)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, (caption, pictures) in enumerate(rows):
        top = GAP + number * (TILE + MARGIN)
        for column, picture in enumerate(pictures):
            sheet.paste(fit(read_image(picture), TILE), (GAP + column * (TILE + GAP), top + MARGIN - GAP))
        draw.text((GAP, top), caption, fill="#333333", font=font)
    sheet.save(path, "JPEG", quality=88)


def _sheet_rows(split: str, dataset: Path, data_new: Path, views: Sequence[View]) -> list[tuple[str, list[Path]]]:
    classes = sorted(folder.name for folder in (data_new / split).glob("*"))
    chosen = classes[:: max(1, len(classes) // SHEET_ROWS)][: SHEET_ROWS // 2]
    rows = []
    for class_name in chosen:
        original = sorted((dataset / split / class_name).iterdir())[0]
        copies = [data_new / split / class_name / f"{original.stem}-{view.name}.jpg" for view in views]
        rows.append((f"{split} / {class_name}: the original, then its augmented views", [original, *copies]))
    return rows
