"""The command ``garbage forget``: photographs are removed, with all that was made of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.command import artifacts_option, explained, json_option, use_artifacts
from cli.running import execute
from flows.table import DEFAULT

if TYPE_CHECKING:
    from pipeline_lib.labels.forgotten import Found
    from pipeline_lib.stages.prune import Pruning
    from pipeline_lib.stages.store import Store


@click.command("forget")
@click.argument("photographs", nargs=-1, metavar="[PHOTO ...]")
@click.option("--dataset", required=True, help="Name or PATH of the dataset that the photographs belong to.")
@click.option("--dry-run", is_flag=True, help="Only say which photographs are meant, and which results would be removed.")
@click.option("--exact", is_flag=True, help="Leave near-duplicates alone: only copies with the same pixels are meant too.")
@click.option("--yes", is_flag=True, help="Do not ask before photographs and results are removed.")
@json_option
@artifacts_option
def forget_command(
    photographs: tuple[str, ...],
    dataset: str,
    dry_run: bool,
    exact: bool,
    yes: bool,
    as_json: bool,
    artifacts: Path | None,
) -> None:
    """Remove photographs and their copies, train again without them, and remove every result that could depend on them.

    PHOTO is the path of a photograph, or its sha256. Its copies are meant too: files with the same bytes, and what the audit
    found to be the same picture. A folder loses the files; an archive stays as it is, and later runs do not read them. The
    model is trained again with the settings of the last run, and takes the place of a champion that knew them, which goes like
    its predecessors. A command that was interrupted goes on when it is given again, with or without PHOTO.
    """
    use_artifacts(artifacts)
    from pipeline_lib.data.sources import place_of
    from pipeline_lib.labels.forgotten import check, named, note, remove_files, with_copies
    from pipeline_lib.stages.forgetting import drop_champions, plan_forgetting
    from pipeline_lib.stages.store import Store

    messages, store = Console(stderr=True), Store()
    with explained(messages, lambda error: {"error": error} if as_json else None):
        place = place_of(dataset, downloads=store.downloads)
        name = place.name if place.is_dir() else place.stem
        found = with_copies(store.root, place, named(photographs, place), near=not exact)
        check(store.root, place, found)
        digests = {each.sha256 for each in found}
        planned = plan_forgetting(store, digests, name)
        (messages if as_json else Console()).print(_photographs(found))
        (messages if as_json else Console()).print(_results(planned, store, name), highlight=False)
        if dry_run:
            if as_json:
                click.echo(json.dumps(_plain(found, planned), ensure_ascii=False))
            return
        if not yes:
            click.confirm(f"Forget {len(found):,} photographs for ever?", abort=True, err=True)
        settings = _settings_of_last_run(store.root, name)
        note(place, found)
        removed = remove_files(place, found)
        drop_champions(store, digests, name)
        if settings is None:
            messages.print(f"no run of {DEFAULT.name} on {name}: there is nothing to train again", highlight=False)
            _print(_finish(store, digests, name, found, [], removed), as_json)
            return

    began = datetime.now(UTC)

    def finish(result: dict[str, Any]) -> dict[str, Any]:
        from tasks.contract.artifacts import remove_artifacts

        remove_artifacts(name, began)
        return {**result, **_finish(store, digests, name, found, result["stages"], removed)}

    execute(
        flow=DEFAULT.name,
        dataset=dataset,
        config=None,
        assignments=settings,
        artifacts=artifacts,
        verify=False,
        as_json=as_json,
        finish=finish,
    )


def _settings_of_last_run(root: Path, dataset: str) -> tuple[str, ...] | None:
    """Return what the last run on a dataset had set, as ``--set`` takes it; None if there was no run."""
    from pipeline_lib.evaluation.looks import LEDGER, read_ledger

    rows = [row for row in read_ledger(root / LEDGER) if (row.flow, row.dataset) == (DEFAULT.name, " ".join(dataset.split()))]
    if not rows:
        return None
    changed = json.loads(rows[-1].settings)
    return tuple(f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in changed.items())


def _finish(
    store: Store,
    digests: set[str],
    dataset: str,
    found: Sequence[Found],
    stages: Sequence[dict[str, Any]],
    files: int,
) -> dict[str, Any]:
    """Put the new model in place, remove what depends on the photographs, and say what was done and how that was checked."""
    from pipeline_lib.remote.address import address_in_environment
    from pipeline_lib.stages.forgetting import prove, remove_dependent, remove_download
    from pipeline_lib.stages.latest import slot_of
    from pipeline_lib.stages.models import appoint_if_vacant

    champion = appoint_if_vacant(store, slot_of(DEFAULT.name, dataset))
    removed = remove_dependent(store, digests, dataset)
    download = remove_download(store, dataset)
    proof = prove(store, digests, dataset)
    computed = [row["name"] for row in stages if row["status"] == "computed"]
    size = f"{removed.bytes / 1e6:,.1f} MB"
    words = [
        f"{_counted(len(found), 'photograph')} ({_counted(files, 'file')} removed from the dataset)",
        f"{_counted(len(removed.results), 'result')} of {_counted(len(removed.runs), 'run')} removed, {size}",
        *([f"the downloaded archive {download} removed"] if download else []),
        *([f"appointed champion: {champion}"] if champion else []),
        f"computed again: {', '.join(computed) or 'nothing'}",
    ]
    checked = f"{_counted(proof.results, 'kept result')}, all used by {_counted(proof.runs, 'run')} without these photographs"
    if remote := address_in_environment():
        checked += f" (not in {remote.url}, which keeps what was published)"
    return {
        "forgotten": "; ".join(words),
        "checked": f"{checked}; {len(proof.holding):,} hold or name one" + "".join(f" {path}" for path in proof.holding),
        "removed_results": len(removed.results),
        "kept_results": proof.results,
        "holding": proof.holding,
    }


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _print(results: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(results, ensure_ascii=False))
        return
    for name in ("forgotten", "checked"):
        click.echo(f"{name:<10} {results[name]}")


def _photographs(found: Sequence[Found]) -> Table:
    table = Table(title="To be forgotten", title_justify="left", title_style="bold")
    for heading in ("photograph", "why", "sha256"):
        table.add_column(heading, overflow="fold")
    for each in found:
        table.add_row(Text("\n".join(each.places) or "not in the dataset any more"), each.why, each.sha256[:12])
    return table


def _results(planned: Pruning, store: Store, dataset: str) -> str:
    """Say which results go, and whose: other datasets have runs that depend on a photograph too."""
    from pipeline_lib.reporting.formats import duration

    if not planned.results:
        return "No kept result depends on them."
    seconds = duration(sum(each.seconds or 0 for each in planned.results))
    slots = Counter(used.slot for used in planned.runs)
    runs = ", ".join(f"{count} of {slot}" for slot, count in sorted(slots.items())) or "none that has finished"
    lines = [f"{len(planned.results):,} results go ({planned.bytes / 1e6:,.1f} MB, {seconds} to compute), of runs: {runs}."]
    others = sorted({slot.partition("/")[2] for slot in slots} - {dataset})
    if others:
        lines.append(f"Forget them in {', '.join(others)} as well: the next run there would read them again.")
    return "\n".join(lines)


def _plain(found: Sequence[Found], planned: Pruning) -> dict[str, Any]:
    named = [each._asdict() for each in planned.results]
    return {"photographs": [each._asdict() for each in found], "results": named, "bytes": planned.bytes, "removed": False}
