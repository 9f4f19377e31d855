"""The commands that ask the store: ``garbage show``, ``garbage diff`` and ``garbage lineage``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.command import artifacts_option, explained, json_option, use_artifacts

if TYPE_CHECKING:
    from pipeline_lib.data.changes import Changes
    from pipeline_lib.stages.asking import Change, Difference
    from pipeline_lib.stages.history import Used
    from pipeline_lib.stages.result import Manifest

Stages = Mapping[str, Sequence["Manifest"]]

_DATASETS = ("split", "dataset")
"""Stages that hold photographs, the one first whose photographs a run works on if it has both."""


@click.command("show")
@click.argument("run", required=False)
@json_option
@artifacts_option
def show_command(run: str | None, as_json: bool, artifacts: Path | None) -> None:
    """List the stages of a run: how many results each has, which of them the run has computed, and how long that took.

    RUN is how its id begins, as `garbage runs` and the Prefect UI have it; without one it is the last run.
    """
    use_artifacts(artifacts)
    from pipeline_lib.stages.asking import find_run, manifests_of
    from pipeline_lib.stages.history import read_history
    from pipeline_lib.stages.store import Store

    with explained(Console(stderr=True)):
        root = Store().root
        used = find_run(read_history(root), run)
        stages = manifests_of(root, used)
    rows = [_stage(name, every, used.run) for name, every in stages.items()]
    figures = _figures(stages)
    if as_json:
        click.echo(json.dumps({**_named(used), "stages": rows, "top1": figures}, ensure_ascii=False))
        return
    table = Table(title=Text(_called(used)), title_justify="left", title_style="bold")
    table.add_column("stage")
    for heading in ("results", "computed by this run", "seconds", "MB"):
        table.add_column(heading, justify="right")
    table.add_column("key", overflow="fold")
    for row in rows:
        numbers = f"{row['results']:,}", f"{row['computed']:,}", f"{row['seconds']:.1f}", f"{row['bytes'] / 1e6:,.1f}"
        table.add_row(row["stage"], *numbers, row["keys"][0] if row["results"] == 1 else "")
    Console().print(table)
    if figures:
        Console().print(_figures_table({"top-1": figures}))


def _stage(name: str, manifests: Sequence[Manifest], run: str) -> dict[str, Any]:
    own = [each for each in manifests if each.run == run]
    return {
        "stage": name,
        "results": len(manifests),
        "computed": len(own),
        "seconds": round(sum(each.seconds for each in own), 3),
        "bytes": sum(output.bytes for each in manifests for output in each.outputs),
        "keys": [each.key for each in manifests],
    }


@click.command("diff")
@click.argument("before", required=False)
@click.argument("after", required=False)
@json_option
@artifacts_option
def diff_command(before: str | None, after: str | None, as_json: bool, artifacts: Path | None) -> None:
    """Say how two runs differ: photographs, settings, code and libraries of each stage, and the figures side by side.

    BEFORE and AFTER are how the ids of the runs begin. Without AFTER it is the last run, and without BEFORE the one before it
    of the same flow on the same dataset.
    """
    use_artifacts(artifacts)
    from pipeline_lib.stages.asking import differences_of, find_run, manifests_of, run_before
    from pipeline_lib.stages.history import read_history
    from pipeline_lib.stages.store import Store

    with explained(Console(stderr=True)):
        root = Store().root
        history = read_history(root)
        second = find_run(history, after)
        first = find_run(history, before) if before else run_before(history, second)
        old, new = manifests_of(root, first), manifests_of(root, second)
    found = [each for each in differences_of(old, new) if each.before or each.after]
    changes = _photographs(old, new)
    figures = {"before": _figures(old), "after": _figures(new)}
    if as_json:
        runs = {"before": _named(first), "after": _named(second)}
        answer = {"stages": [_plain(each) for each in found], "photographs": _counts(changes), "top1": figures}
        click.echo(json.dumps({**runs, **answer}, ensure_ascii=False))
        return
    console = Console()
    console.print(f"before  {_called(first)}\nafter   {_called(second)}", highlight=False, markup=False, soft_wrap=True)
    if not found:
        console.print("The two runs have used the same results.")
        return
    for text in _changes_in_words(changes):
        console.print(text, highlight=False, markup=False)
    console.print(_differences_table(found))
    if any(figures.values()):
        console.print(_figures_table(figures))


def _photographs(before: Stages, after: Stages) -> Changes:
    from pipeline_lib.data.changes import changes_between

    return changes_between(_files(before), _files(after))


def _files(stages: Stages) -> dict[str, str]:
    """Return the photographs that a run has worked on: their digests by path."""
    for name in _DATASETS:
        if name in stages:
            return {path: digest for path, digest in stages[name][-1].digests.items() if path.startswith(("train/", "test/"))}
    return {}


def _counts(changes: Changes) -> dict[str, dict[str, int]]:
    relabelled = {f"{old} -> {new}": count for (old, new), count in changes.relabelled.items()}
    return {
        "added": dict(changes.added),
        "removed": dict(changes.removed),
        "relabelled": relabelled,
        "moved between train and test": dict(changes.moved),
    }


def _changes_in_words(changes: Changes) -> Iterator[str]:
    """Yield a line for each kind of change that there is: how many photographs, and of which classes."""
    for kind, counts in _counts(changes).items():
        if counts:
            largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            listed = ", ".join(f"{name} {count:,}" for name, count in largest[:8])
            more = f", and {len(largest) - 8} more" if len(largest) > 8 else ""
            yield f"photographs {kind}: {sum(counts.values()):,} ({listed}{more})"


def _differences_table(found: Sequence[Difference]) -> Table:
    table = Table(title="What differs", title_justify="left", title_style="bold")
    for heading in ("stage", "what", "before", "after"):
        table.add_column(heading, overflow="fold")
    for each in found:
        changes = [change for change in each.changes if change.section != "inputs"]
        if not changes:
            table.add_row(each.stage, Text(_reason(each)), "", "")
        for number, change in enumerate(changes):
            table.add_row("" if number else each.stage, Text(_what(change)), *_values(change))
    return table


def _reason(difference: Difference) -> str:
    """Say why a stage differs whose settings, code and libraries are the same."""
    if difference.same_content:
        return "other keys, the same content"
    if not (difference.before and difference.after):
        number, when = difference.before or difference.after, "before" if difference.before else "after"
        return f"{number:,} {'results' if number > 1 else 'result'} {when} alone"
    return f"other inputs: {', '.join(change.name for change in difference.changes)}"


def _what(change: Change) -> str:
    return {"code": "code", "libraries": "library", "settings": "setting"}[change.section] + f" {change.name}"


def _values(change: Change) -> tuple[Text, Text]:
    from pipeline_lib.reporting.formats import NOTHING, value

    def shown(values: Sequence[Any]) -> Text:
        texts = [text[:8] if change.section == "code" else text for text in map(value, values)]
        return Text(", ".join(texts) or NOTHING)

    return shown(change.before), shown(change.after)


def _plain(difference: Difference) -> dict[str, Any]:
    changes = [change._asdict() for change in difference.changes]
    counts = {"shared": difference.shared, "before": difference.before, "after": difference.after}
    return {"stage": difference.stage, **counts, "same_content": difference.same_content, "changes": changes}


def _figures(stages: Stages) -> dict[str, float]:
    """Return the top-1 of every set that a run's model was judged on, by the name of the set."""
    from pipeline_lib.evaluation.selection import SETS, UNSEEN

    words = {**SETS, **UNSEEN}
    figures: dict[str, float] = {}
    for manifest in stages.get("evaluate", ()):
        for key, scores in manifest.summary.items():
            if isinstance(scores, dict) and "top1" in scores:
                figures[_set_in_words(key, words)] = scores["top1"]
    return figures


def _set_in_words(key: str, words: Mapping[str, str]) -> str:
    known = max((name for name in words if key.startswith(name)), key=len, default="")
    return words.get(known, "") + key.removeprefix(known).replace("_", " ")


def _figures_table(figures: Mapping[str, Mapping[str, float]]) -> Table:
    """Return a table of the top-1 on each set, a column for each run, and the difference where there are two."""
    from pipeline_lib.reporting.formats import percent

    columns = list(figures.values())
    table = Table(title="Top-1", title_justify="left", title_style="bold")
    table.add_column("")
    for heading in [*figures, *(["difference, points"] if len(columns) == 2 else [])]:
        table.add_column(heading, justify="right")
    for name in dict.fromkeys(name for column in columns for name in column):
        values = [column.get(name) for column in columns]
        shown = [percent(each) for each in values]
        if len(columns) == 2:
            before, after = values
            shown.append("" if before is None or after is None else f"{100 * (after - before):+.1f}")
        table.add_row(name, *shown)
    return table


@click.command("lineage")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@json_option
@artifacts_option
def lineage_command(path: Path, as_json: bool, artifacts: Path | None) -> None:
    """Say which run has made a file, and which runs have used it.

    PATH is a file or folder among the results, such as latest/garbage-finetune/pictures/model, or a photograph anywhere: it is
    found by its content in the datasets of the runs.
    """
    use_artifacts(artifacts)
    from pipeline_lib.stages.asking import result_of
    from pipeline_lib.stages.history import read_history
    from pipeline_lib.stages.store import Store

    with explained(Console(stderr=True)):
        root = Store().root
        history = read_history(root)
        result = result_of(root, path)
        rows = [_origin(root, history, result)] if result else list(_photograph(root, history, path))
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        click.echo("\n".join(_lineage_in_words(row)))


def _origin(root: Path, history: Sequence[Used], result: str) -> dict[str, Any]:
    """Return what there is to say about a result."""
    from pipeline_lib.errors import PipelineError
    from pipeline_lib.stages.asking import users_of
    from pipeline_lib.stages.result import read_manifest

    try:
        manifest = read_manifest(root / result)
    except (OSError, ValueError):
        raise PipelineError(f"{root / result} has no manifest that can be read: nobody can say what it is") from None
    made = {"run": manifest.run, "reason": manifest.reason, "seconds": manifest.seconds, "settings": manifest.parts["settings"]}
    return {"result": result, **made, "used_by": [_named(used) for used in users_of(history, result)]}


def _photograph(root: Path, history: Sequence[Used], path: Path) -> Iterator[dict[str, Any]]:
    """Yield what there is to say about a photograph, a row for each result that holds it."""
    from pipeline_lib.errors import PipelineError
    from pipeline_lib.files.digest import file_sha256
    from pipeline_lib.stages.asking import holders_of, users_of

    if path.is_dir():
        raise PipelineError(f"{path} is no folder of a result in {root}; name a result, or a photograph")
    digest, found = file_sha256(path), False
    for result, names in holders_of(root, digest, _DATASETS):
        found = True
        yield {"result": result, "as": names, "used_by": [_named(used) for used in users_of(history, result)]}
    if not found:
        raise PipelineError(f"{path} is in no dataset that a run in {root} has used (sha256 {digest[:12]}...)")


def _lineage_in_words(row: Mapping[str, Any]) -> Iterable[str]:
    yield row["result"]
    if "as" in row:
        yield f"  holds it as {', '.join(row['as'])}"
    else:
        yield f"  computed by run {row['run'][:8]} in {row['seconds']:.1f} s: {row['reason']}"
        yield from (f"    {name} = {value}" for name, value in row["settings"].items())
    yield f"  used by {len(row['used_by'])} run{'' if len(row['used_by']) == 1 else 's'}"
    yield from (f"    {used['run'][:8]}  {used['when'][:16].replace('T', ' ')}  {used['slot']}" for used in row["used_by"])


def _named(used: Used) -> dict[str, str]:
    return {"run": used.run, "slot": used.slot, "when": used.when.astimezone().isoformat(timespec="seconds")}


def _called(used: Used) -> str:
    return f"{used.run[:8]}  {used.when.astimezone():%Y-%m-%d %H:%M}  {used.slot}"
