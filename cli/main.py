"""The command ``garbage`` and its subcommands. Heavy libraries are imported when a command needs them."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cli.backbones import backbones_command
from cli.command import (
    artifacts_option,
    config_option,
    explained,
    flow_option,
    json_option,
    preset_option,
    set_option,
    use_artifacts,
)
from cli.export import export_command
from cli.forget import forget_command
from cli.history import diff_command, lineage_command, show_command
from cli.ingest import ingest_command
from cli.models import compare_command, models_command, promote_command, rollback_command
from cli.prices import prices_command
from cli.prune import pin_command, prune_command, unpin_command
from cli.remote import pull_command, push_command
from cli.running import drawn, execute, run_options
from cli.runs import runs_command
from cli.serve import serve_command
from cli.split import split_command
from cli.sweep import sweep_command
from cli.why import why_command
from flows.table import FLOWS

# Prefect and MindSpore read these when they are imported. What the user has set stays.
QUIET = {
    "GLOG_v": "3",  # MindSpore: errors only
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # the stages are announced here; the UI keeps the full log
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",  # Prefect's 20 are too few for a machine that is busy
    "DO_NOT_TRACK": "1",
}

_dataset_option = click.option("--dataset", help="  ".join(f"{row.name}: {row.datasets}." for row in FLOWS.values()))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="garbage-finetune")
def main() -> None:
    """Fine-tune an image classifier on a folder of photographs; stages that are finished are reused."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


@main.command("run")
@flow_option
@_dataset_option
@preset_option
@run_options
def run_command(**options: Any) -> None:
    """Run a whole flow in this process and reuse every stage that is finished."""
    execute(planning=False, **options)


@main.command("status")
@flow_option
@_dataset_option
@preset_option
@click.option(
    "--graph",
    is_flag=False,
    flag_value="",
    metavar="[FILE.svg]",
    help="Show what each stage is given, as text, or as a picture in a file.",
)
@run_options
def status_command(graph: str | None, **options: Any) -> None:
    """Say for each stage whether a run would reuse it, and if not why. Runs nothing."""
    execute(planning=True, finish=lambda result: drawn(result, graph, options["as_json"]), **options)


@main.command("verify")
@click.option(
    "--older-than", type=click.FloatRange(min=0), default=0.0, metavar="DAYS", help="Leave out what was checked since then."
)
@click.option("--remote", is_flag=True, help="Check the results in the remote store instead, all of which are read.")
@json_option
@artifacts_option
def verify_command(older_than: float, remote: bool, as_json: bool, artifacts: Path | None) -> None:
    """Compare kept results with their recorded digests and list those that are damaged; exit code 1 if any is."""
    if remote and older_than:
        raise click.UsageError("--older-than is for the results on this machine: leave it out with --remote.")
    use_artifacts(artifacts)
    from pipeline_lib.stages.shared_upkeep import check_remote
    from pipeline_lib.stages.store import Store
    from pipeline_lib.stages.verification import check_results

    started, console = time.perf_counter(), Console(stderr=True)
    with explained(console, lambda error: {"error": error} if as_json else None):
        results = list(check_remote(Store()) if remote else check_results(Store(), older_than))
    damaged = [result for result in results if result.damage]
    size, seconds = sum(result.bytes for result in results), time.perf_counter() - started
    if as_json:
        named = [{"path": result.path, "damage": result.damage} for result in damaged]
        click.echo(json.dumps({"results": len(results), "bytes": size, "seconds": round(seconds, 3), "damaged": named}))
    else:
        for result in damaged:
            click.echo(f"{result.path}: {result.damage}")
        click.echo(f"{len(results)} results, {size / 1e6:,.1f} MB in {seconds:.1f} s: {len(damaged)} damaged")
    if damaged:
        advice = (
            "A run that needs a damaged result computes it, and publishes it anew if GARBAGE_REMOTE_MODE=readwrite"
            if remote
            else "`garbage run --verify` with the dataset of a damaged result computes it anew"
        )
        console.print(advice, highlight=False, markup=False)
        sys.exit(1)


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE|FOLDER ...")
@click.option("--model", type=click.Path(path_type=Path), help="Folder of a model, instead of the last one of a dataset.")
@click.option(
    "--dataset",
    help="Name or PATH of the dataset whose model predicts.  "
    "[default: the one trained on last; the embedded sample only if there is no other]",
)
@flow_option
@click.option("--top", default=5, show_default=True, type=click.IntRange(min=1), help="Classes listed for each image.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list as the last line of standard output.")
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), help="Write the predictions to a CSV file too.")
@artifacts_option
def predict(
    paths: tuple[Path, ...],
    model: Path | None,
    dataset: str | None,
    flow: str,
    top: int,
    as_json: bool,
    csv_path: Path | None,
    artifacts: Path | None,
) -> None:
    """Classify photographs: class, calibrated probability, and the bin it belongs in.

    Which model predicts, the dataset it was trained on and when is printed on standard error. A file that is no image is
    reported in its row; the others are classified all the same. The exit code is 0 when at least one photograph was
    classified, else 1.
    """
    if model and dataset:
        raise click.UsageError("--model names a folder and --dataset a dataset's model: give one of them.")
    use_artifacts(artifacts)
    messages = Console(stderr=True)
    with explained(messages):
        from cli.console import predictions_table, show_model
        from pipeline_lib.prediction.predict import check_answered, predict_paths, write_csv
        from pipeline_lib.stages.latest import latest_model, named_model
        from pipeline_lib.stages.store import Store

        chosen = named_model(model) if model else latest_model(Store().root, flow, dataset, embedded=FLOWS[flow].embedded)
        show_model(messages, chosen)
        rows = predict_paths(paths, chosen.folder, top)
        if csv_path:
            write_csv(csv_path, rows)
        (messages if as_json else Console()).print(predictions_table(rows))
        if as_json:
            click.echo(json.dumps(rows))
        check_answered(paths, rows)


@main.command()
@click.argument("photographs", nargs=-1, required=True, metavar="PHOTO ...")
@click.option("--as", "label", required=True, metavar="CLASS|remove|keep", help="What the label is.")
@click.option("--dataset", required=True, help="Name or PATH of the dataset that the photographs belong to.")
@artifacts_option
def label(photographs: tuple[str, ...], label: str, dataset: str, artifacts: Path | None) -> None:
    """Record what you decided about the labels of photographs, in the dataset's labels.csv; the next run uses it.

    PHOTO is the path of a photograph, or its sha256 as the list of suspects has it; copies with the same bytes are meant too.
    CLASS is the class that it belongs in, "remove" says that it belongs in none, and "keep" that its label is right.
    """
    use_artifacts(artifacts)
    with explained(Console(stderr=True)):
        from pipeline_lib.data.labels_file import labels_file
        from pipeline_lib.data.sources import place_of
        from pipeline_lib.labels.record import check_label, digest_of, record
        from pipeline_lib.stages.store import Store

        place = place_of(dataset, downloads=Store().downloads)
        check_label(label, place)
        file = labels_file(place)
        count = record(file, map(digest_of, photographs), label)
    for photograph in photographs:
        click.echo(f"{photograph}: {label}")
    click.echo(f"recorded in {file}, which has {count} decision{'' if count == 1 else 's'}; the next run uses it")


@main.command()
@flow_option
@preset_option
@config_option
@set_option
def settings(flow: str, preset: str, config: Path | None, assignments: tuple[str, ...]) -> None:
    """List every setting with its value and what it is for."""
    from cli.console import settings_table
    from pipeline_lib.settings.load import load_settings

    with explained(Console(stderr=True)):
        loaded = load_settings(config, assignments, FLOWS[flow].settings, preset)
    Console().print(settings_table(loaded))


for _command in (
    backbones_command,
    compare_command,
    diff_command,
    export_command,
    forget_command,
    ingest_command,
    lineage_command,
    models_command,
    pin_command,
    prices_command,
    promote_command,
    prune_command,
    pull_command,
    push_command,
    rollback_command,
    runs_command,
    serve_command,
    show_command,
    split_command,
    sweep_command,
    unpin_command,
    why_command,
):
    main.add_command(_command)

if __name__ == "__main__":
    main()
