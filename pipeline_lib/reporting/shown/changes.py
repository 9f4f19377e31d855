"""What stage ``changes`` shows: what has changed since the champion, and the new photographs that are like no old one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline_lib.data.changes import CLASSES, LEAKS, UNUSUAL
from pipeline_lib.files.table import read_table
from pipeline_lib.reporting.blocks import Block, Cell, Facts, Image, Images, Results, Shown, Table
from pipeline_lib.reporting.formats import percent, value
from pipeline_lib.reporting.pictures import photograph

Summary = Mapping[str, Any]
Row = dict[str, str]

ALPHA = 0.05
"""Below it, the p of a drift is called a difference."""

_KINDS = {
    "added": "added",
    "removed": "removed",
    "relabelled": "relabelled",
    "moved": "moved between train and test",
}
_SECTIONS = {"settings": "setting", "code": "code", "libraries": "library"}
_COLUMNS = {
    "before": "before",
    "after": "now",
    "added": "added",
    "removed": "removed",
    "came": "relabelled to it",
    "went": "relabelled from it",
    "moved": "moved between train and test",
}
_ACCURACY = {
    "old": "old photographs",
    "mixed": "old ones, as many of each class as there are new ones",
    "new": "new photographs",
}
_LISTED = 40


def show(results: Results) -> Shown:
    """Show a sentence, the figures on the new photographs, what differs, and galleries of the most unusual ones."""
    (ref,) = results.values()
    summary = ref.manifest().summary
    if not summary["compared"]:
        return _first(summary["obstacle"])
    blocks: list[Block] = [
        *_photographs(summary),
        *_new(summary),
        *_classes(ref.folder),
        *_leaks(ref.folder),
        *_differing(summary["differing"]),
        *_unusual(ref.folder),
    ]
    return Shown("What changed", _counted(summary), findings=[_sentence(summary)], blocks=blocks)


def _first(obstacle: str) -> Shown:
    why = obstacle or "this dataset has no champion yet"
    findings = [f"There is nothing to compare this run with: {obstacle}."] if obstacle else []
    blocks: list[Block] = [Facts([("compared with", "nothing"), ("because", why)])]
    return Shown("What changed", f"nothing to compare with: {why}", findings=findings, blocks=blocks)


def _counted(summary: Summary) -> str:
    """Return the changes in a few words, such as ``103 photographs added, 2 removed``."""
    counts = [f"{summary['photographs'][kind]:,} {words}" for kind, words in _KINDS.items() if summary["photographs"][kind]]
    differing = len(summary["differing"])
    things = [f"{differing} thing{'s' * (differing > 1)} else differ{'s' * (differing == 1)}"] if differing else []
    return ", ".join(["photographs: " + ", ".join(counts)] * bool(counts) + things) or "nothing"


def _sentence(summary: Summary) -> str:
    """Return what has changed and what the new photographs are like, in a sentence."""
    changed = _counted(summary)
    if changed == "nothing":
        return "Nothing has changed since the champion."
    parts = [f"Since the champion: {changed}", *_of_drift(summary["drift"]), *_of_accuracy(summary["accuracy"])]
    return f"{'; '.join(parts)}."


def _of_drift(drift: Summary | None) -> Iterator[str]:
    if drift:
        differ = "differ" if drift["p"] < ALPHA else "are not seen to differ"
        yield f"the new sources {differ} from the old ones (p = {drift['p']:.2g})"


def _of_accuracy(accuracy: Summary | None) -> Iterator[str]:
    if accuracy:
        apart = 100 * accuracy["difference"]
        more = f"{abs(apart):.1f} points {'more' if apart >= 0 else 'less'}"
        new, interval = percent(accuracy["new"]), _apart(accuracy).partition(" ")[2]
        yield f"the model gets {new} of them right, {more} than of old ones of these classes {interval}"


def _photographs(summary: Summary) -> Iterator[Facts]:
    rows = [(f"photographs {words}", f"{summary['photographs'][kind]:,}") for kind, words in _KINDS.items()]
    new = summary["new"]
    rows.append(("of sources that the champion does not know", f"{new['photographs']:,} of {new['sources']:,} sources"))
    yield Facts([*rows, ("new leaks", f"{summary['new_leaks']:,}")], "Photographs")


def _new(summary: Summary) -> Iterator[Block]:
    if drift := summary["drift"]:
        rows = [
            ("p, other classes more often", f"{drift['classes']:.3g}"),
            ("p, other pictures of the same classes", f"{drift['pictures']:.3g}"),
            ("p, either, by Holm", f"{drift['p']:.3g}"),
        ]
        note = "New sources against old ones: chi-squared on the classes; energy distance of features, permuted within classes."
        yield Facts(rows, "Do the new photographs differ?", note)
    if accuracy := summary["accuracy"]:
        cells = [[Cell(words), Cell(percent(accuracy[name]))] for name, words in _ACCURACY.items()]
        cells.append([Cell("new ones less old ones of these classes"), Cell(_apart(accuracy))])
        note = "Out of fold, clean views, by the model of this run; the interval is by source."
        yield Table(["top-1", ""], cells, "What they are expected to cost", note, "figures")


def _apart(accuracy: Summary) -> str:
    """Return the difference in points with its interval."""
    return f"{100 * accuracy['difference']:+.1f} ({100 * accuracy['low']:+.1f} to {100 * accuracy['high']:+.1f})"


def _classes(folder: Path) -> Iterator[Table]:
    """Yield the classes in which something has changed, those first that have lost or gained most."""
    rows = [row for row in read_table(folder / CLASSES) if any(row[name] != "0" for name in list(row)[3:])]
    if rows:
        rows.sort(key=lambda row: (-abs(int(row["after"]) - int(row["before"])), row["class"]))
        columns = {name: title for name, title in _COLUMNS.items() if any(row[name] != "0" for row in rows)}
        cells = [[Cell(row["class"]), *(Cell(row[name]) for name in columns)] for row in rows]
        yield Table(["class", *columns.values()], cells, "Classes that have changed", "Before and now: photographs of train.")


def _leaks(folder: Path) -> Iterator[Table]:
    rows = read_table(folder / LEAKS)
    if rows:
        note = "Test photographs of whose source a photograph has come into train since the champion."
        yield Table(
            ["image", "sha256"], [[Cell(row["image"]), Cell(row["sha256"])] for row in rows], "New leaks", note, "detail"
        )


def _differing(differing: Sequence[Summary]) -> Iterator[Table]:
    if differing:
        cells = [
            [
                Cell(f"{_SECTIONS[each['section']]} {each['name']}"),
                Cell(value(each["before"])),
                Cell("changed" if each["section"] == "code" else value(each["after"])),
                Cell(", ".join(each["stages"])),
            ]
            for each in differing[:_LISTED]
        ]
        note = "" if len(differing) <= _LISTED else f"The first {_LISTED} of {len(differing)}."
        yield Table(["what", "champion", "this run", "stages"], cells, "What else differs", note)


def _unusual(folder: Path) -> Iterator[Images]:
    rows = [row for row in read_table(folder / UNUSUAL) if row["picture"]]
    if rows:
        note = "Farthest from the old photographs of their class, one for each source; on the right the nearest old one."
        yield Images([_pair(folder, row) for row in rows], "gallery", "The most unusual new photographs", note)


def _pair(folder: Path, row: Row) -> Image:
    picture, farther = Path(row["picture"]), float(row["farther"])
    share = f"as far as {farther:.0%} of the old ones" if farther else "farther than any old one"
    how_far = f"distance {float(row['distance']):.2f}, {share}"
    name, tag = picture.with_suffix("").as_posix().replace("/", "-"), "" if row["right"] == "1" else "taken for another class"
    return photograph(name, folder / picture, row["image"], heading=row["class"], caption=how_far, tag=tag)
