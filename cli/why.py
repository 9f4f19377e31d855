"""The command ``garbage why``: what the answer to a photograph has changed by between two runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.command import artifacts_option, explained, json_option, use_artifacts

if TYPE_CHECKING:
    from pipeline_lib.causes.changes import Change
    from pipeline_lib.causes.material import Material
    from pipeline_lib.causes.why import Cause
    from pipeline_lib.stages.asking import Difference
    from pipeline_lib.stages.history import Used

_SHOWN = 8
"""Letters of a run's id."""

_FEATURES = ("backbone", "augment", "features")
"""Stages that make what a head is trained on."""


@click.command("why")
@click.argument("photograph", metavar="PHOTO")
@click.option("--between", "runs", nargs=2, required=True, metavar="RUN RUN", help="How the ids of the two runs begin.")
@json_option
@artifacts_option
def why_command(photograph: str, runs: tuple[str, str], as_json: bool, artifacts: Path | None) -> None:
    """Say why the models of two runs answer a photograph differently: the smallest change that brings the old answer back.

    PHOTO is the path of a photograph, or the sha256 of one in the dataset of the second run. Photographs that were added,
    removed or relabelled, settings, the seed, and what features come from are taken back piece by piece, and a head is trained
    each time on features that are stored. Both runs must be kept; garbage runs lists them.
    """
    use_artifacts(artifacts)
    from pipeline_lib.causes.material import read_material
    from pipeline_lib.causes.why import explain, seen
    from pipeline_lib.images.read import read_image
    from pipeline_lib.stages.asking import differences_of, find_run, manifests_of
    from pipeline_lib.stages.history import read_history
    from pipeline_lib.stages.store import Store

    messages = Console(stderr=True)
    with explained(messages, lambda error: {"error": error} if as_json else None):
        root = Store().root
        history = read_history(root)
        used = [find_run(history, run) for run in runs]
        before, after = (read_material(root, each) for each in used)
        path = _path(photograph, before, after)
        differences = differences_of(*(manifests_of(root, each) for each in used))
        image = read_image(path)
        with messages.status("training") as status:
            cause = explain(
                before,
                after,
                (seen(before, image), seen(after, image)),
                list(_code(differences)),
                lambda done, total, text: status.update(f"{done} {text}"),
            )
        features = "what features come from: " + ("; ".join(_settings(differences)) or "other views of the photographs")
    sentence = _sentence(cause, photograph, features)
    (messages if as_json else Console()).print(Text(sentence))
    (messages if as_json else Console()).print(_table(cause, used))
    if as_json:
        click.echo(json.dumps(_plain(cause, sentence, path), ensure_ascii=False))


def _path(photograph: str, before: Material, after: Material) -> Path:
    from pipeline_lib.labels.record import digest_of

    path = Path(photograph).expanduser()
    if path.is_file():
        return path
    digest = digest_of(photograph)
    for each in (after, before):
        if digest in each.files:
            return each.files[digest]
    from pipeline_lib.errors import PipelineError

    raise PipelineError(f"Neither run has a photograph with the sha256 {digest}; give the path of a file.")


def _code(differences: Sequence[Difference]) -> Iterator[str]:
    """Yield the code and libraries of the training that differ."""
    for each in differences:
        if each.stage == "train":
            yield from (change.name for change in each.changes if change.section in ("code", "libraries"))


def _settings(differences: Sequence[Difference]) -> Iterator[str]:
    """Yield in words what differs between the stages that make features."""
    from pipeline_lib.reporting.formats import NOTHING, value

    for each in differences:
        if each.stage in _FEATURES:
            for change in each.changes:
                if change.section == "inputs":
                    continue
                old, new = (", ".join(map(value, values)) or NOTHING for values in (change.before, change.after))
                yield f"{change.name} {old} -> {new}" if change.section == "settings" else f"{change.section} {change.name}"


def _sentence(cause: Cause, photograph: str, features: str) -> str:
    """Return what was found: the old and the new answer, the cause, and what the answer is without it."""
    from pipeline_lib.causes.changes import in_words

    old, new = next(iter(cause.before)), next(iter(cause.after))
    few = sum(change.files for change in cause.suffice)
    some = f" ({few:,} of them suffice)" if len(cause.suffice) < len(cause.members) else ""
    joint = "" if cause.alone else ", together with other changes"
    back = f"{cause.after[new]:.2f} -> {cause.without.get(new, 0):.2f}"
    return (
        f"{Path(photograph).name} was {old} and is {new} because of {in_words(cause.members, features)}{some}{joint}; "
        f"without that it is {old} again, and the probability of {new} goes {back}."
    )


def _table(cause: Cause, runs: Sequence[Used]) -> Table:
    old, new = next(iter(cause.before)), next(iter(cause.after))
    caption = f"{cause.trainings} heads trained in {cause.seconds:.1f} s"
    table = Table(caption=caption, caption_justify="left")
    for heading in ("model", old, new):
        table.add_column(Text(heading), justify="left" if heading == "model" else "right")
    rows = [
        (f"first run {runs[0].run[:_SHOWN]}", cause.before),
        (f"second run {runs[1].run[:_SHOWN]}", cause.after),
        ("second run without the cause", cause.without),
    ]
    if len(cause.suffice) < len(cause.members):
        few = sum(change.files for change in cause.suffice)
        rows.append((f"second run without {few:,} of them", cause.without_few))
    for name, answer in rows:
        table.add_row(name, f"{answer.get(old, 0):.2f}", f"{answer.get(new, 0):.2f}")
    return table


def _plain(cause: Cause, sentence: str, path: Path) -> dict[str, Any]:
    answers = {name: dict(list(getattr(cause, name).items())[:5]) for name in ("before", "after", "without", "without_few")}
    counts = {"trainings": cause.trainings, "seconds": cause.seconds, "alone": cause.alone}
    causes = [*_grouped(cause.members, cause.suffice)]
    return {"photograph": str(path), "sentence": sentence, **answers, "cause": causes, **counts}


def _grouped(members: Sequence[Change], suffice: Sequence[Change]) -> Iterator[dict[str, Any]]:
    """Yield the cause by kind: of how many files, how many of them suffice, and the digests of the photographs that do."""
    for group in dict.fromkeys(change.group for change in members):
        own, enough = ([change for change in every if change.group == group] for every in (members, suffice))
        about = {name: getattr(group, name) for name in ("kind", "what", "before", "after")}
        counts = {name: sum(change.files for change in every) for name, every in (("files", own), ("suffice", enough))}
        yield {**about, **counts, "photographs": [change.photograph for change in enough if change.photograph]}
