"""What stage ``promote`` shows: what has become of the model and why, and the photographs that the two models differ about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline_lib.evaluation.decided import BROKEN, CHANGED, CLASSES, FIXED
from pipeline_lib.files.table import read_table
from pipeline_lib.reporting.blocks import Block, Cell, Facts, Images, Results, Shown, Table, settings_of
from pipeline_lib.reporting.formats import NOTHING, percent, signed
from pipeline_lib.reporting.pictures import photograph

Summary = Mapping[str, Any]
Row = dict[str, str]

_TITLES = {FIXED: "Fixed", BROKEN: "Newly wrong"}
_PARTS = {"test": "test", "train": "out of fold"}
_VIEWS = {"clean": "clean views", "mean": "mean of clean and noisy views"}
_NAMES = ("champion", "this model")
_MOST_CLASSES = 8


def show(results: Results) -> Shown:
    """Show the decision with its figures, the classes that lose most, and what is fixed and newly wrong as pictures."""
    (ref,) = results.values()
    summary = ref.manifest().summary
    decided = f"{summary['decision']}: {summary['because']}"
    blocks: list[Block] = [Facts([*_facts(summary)])]
    if summary["out_of_fold"]:
        blocks += [_figures(summary), *_classes(ref.folder), *galleries(ref.folder, _NAMES)]
    return Shown("Champion", decided, findings=[_finding(summary)], blocks=blocks, settings=settings_of(results))


def _finding(summary: Summary) -> str:
    decision = {"promoted": "takes the champion's place", "kept": "does not take the champion's place"}
    return f"This model {decision.get(summary['decision'], 'needs a person to decide on it')}: {summary['because']}."


def _facts(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "decision", summary["decision"]
    yield "because", summary["because"]
    for number, veto in enumerate(summary["vetoes"], start=1):
        yield f"veto {number}", veto
    if summary["champion"]:
        yield "champion", summary["champion"][0]["key"]
    yield "this model", summary["candidate"]["model"]["key"]
    if tested := summary["test"]:
        yield "test, sources better and worse", f"{tested['better']} and {tested['worse']}"
        yield "test, p of the loss", f"{tested['p']:.2g}, a veto below {tested['alpha']:.2g}"


def _figures(summary: Summary) -> Table:
    """Return the figures of both models side by side."""
    rows = [
        _row(f"out of fold, {_VIEWS[summary['measure']]}", summary["out_of_fold"]),
        _row("calibration error out of fold", summary["calibration"]),
    ]
    test = summary["test"]
    if test["images"]:
        difference = test["challenger"] - test["champion"]
        rows.insert(1, _row(f"test that neither has seen, {test['images']:,} images", {**test, "difference": difference}))
    note = "The interval of the difference is 98% out of fold, 90% for the calibration; both by source."
    return Table(["figure", "champion", "this model", "difference"], rows, "Beside the champion", note, "figures")


def _row(name: str, compared: Summary) -> list[Cell]:
    interval = f"{signed(compared['low'])} to {signed(compared['high'])}" if "low" in compared else ""
    figures = (Cell(percent(compared[who])) for who in ("champion", "challenger"))
    return [Cell(name), *figures, Cell(signed(compared["difference"]), interval=interval)]


def _classes(folder: Path) -> Iterator[Table]:
    """Yield the classes that lose most, if any loses."""
    lost = [row for row in read_table(folder / CLASSES) if float(row["difference"]) < 0][:_MOST_CLASSES]
    if lost:
        cells = [
            [
                Cell(row["name"]),
                *(Cell(percent(float(row[who]))) for who in ("champion", "challenger")),
                Cell(signed(float(row["difference"]))),
                Cell(f"{float(row['p']):.2g}"),
                Cell(row["images"]),
            ]
            for row in lost
        ]
        columns = ["class", "champion", "this model", "difference", "p", "images"]
        yield Table(columns, cells, "Classes that lose most", "Out of fold, clean views; p by source, after Holm.")


def galleries(folder: Path, names: tuple[str, str]) -> Iterator[Images]:
    """Yield the photographs about which one of two models alone is right, as pictures.

    Args:
        folder: Where `evaluation.challenge.write_changes` has written them.
        names: What the two models are called.
    """
    rows = read_table(folder / CHANGED)
    for change, title in _TITLES.items():
        changed = [row for row in rows if row["change"] == change]
        shown = [row for row in changed if row["picture"]]
        if shown:
            note = f"{_counted(changed)}; one for each source is shown, the surest first."
            yield Images([_picture(folder, row, names) for row in shown], "gallery", title, note)


def _counted(changed: Sequence[Row]) -> str:
    counts = {words: sum(row["part"] == part for row in changed) for part, words in _PARTS.items()}
    return " and ".join(f"{count:,} {words}" for words, count in counts.items() if count) or NOTHING


def _picture(folder: Path, row: Row, names: tuple[str, str]) -> Any:
    said = f"{names[0]}: {row['champion']}; {names[1]}: {row['challenger']}, {float(row['confidence']):.0%}"
    name = row["picture"].removesuffix(".jpg").replace("/", "-")
    return photograph(name, folder / row["picture"], row["image"], heading=row["class"], caption=said, tag=_PARTS[row["part"]])
