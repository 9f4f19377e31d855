"""Measure this project and its peers side by side; write docs/benchmarks.md and docs/benchmarks.json.

    make bench                                       # or: .venv/bin/python benchmarks/bench.py --dataset PATH

Installs the peers into .venv-peers the first time, and runs the flow once, untimed. Takes about half an hour; --quick takes
some minutes and shows that everything works. Exit code 1 when something could not be measured.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import bench_features
import bench_lenet
import bench_rerun
import bench_training
from machine import machine
from measure import Asked, FailedError, Measured, last_json, measure, output, say
from places import PROJECT, Places, install_peers
from render import write
from served import prefect_server

SECTIONS = {"features": bench_features, "training": bench_training, "rerun": bench_rerun, "lenet": bench_lenet}
CONDITIONS = (
    "Each measurement is a process of its own, with the default number of threads of its library unless it says otherwise; "
    "the programs of a section take turns. Median, minimum and maximum of n repetitions. Targets are judged by medians."
)


def main() -> None:
    """Read the arguments, prepare, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default=os.environ.get("GARBAGE_PHOTOGRAPHS", "sample"), help="as for garbage run")
    parser.add_argument("--repetitions", type=int, help="5, or 1 with --quick")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="one repetition of little")
    parser.add_argument("--no-peers", action="store_true", help="leave PyTorch, DVC and Metaflow out")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="NAME=VALUE", help="as for garbage run")
    parser.add_argument("--work", type=Path, default=PROJECT / "build" / "bench", help="folder for everything on the way")
    parser.add_argument("--output", type=Path, default=PROJECT / "docs", help="folder of the two files")
    options = parser.parse_args()
    places = Places(options.work.absolute(), options.dataset)
    if not options.no_peers:
        install_peers()
    described = machine(not options.no_peers)
    prepare(places, options.settings)
    repetitions = options.repetitions or (1 if options.quick else 5)
    measured = Measured()
    for name in options.only:
        with ExitStack() as kept:
            asked = Asked(options.quick, not options.no_peers, tuple(options.settings), kept)
            measure_section(SECTIONS[name], repetitions, places, asked, measured)
    sections = [SECTIONS[name] for name in options.only]
    write(options.output, result(places, described, sections, measured))
    sys.exit(bool(measured.failures))


def prepare(places: Places, settings: list[str]) -> None:
    """Run the flow, whose results are what is measured on, and note which they are."""
    from pipeline_lib.settings.load import load_settings
    from pipeline_lib.settings.sections import Settings

    places.work.mkdir(parents=True, exist_ok=True)
    say("running the flow, untimed")
    with prefect_server(places.work, places.environment()) as api:
        stages = last_json(output(bench_rerun.rerun(places, settings), places, PREFECT_API_URL=api))["stages"]
    loaded = load_settings(None, tuple(settings), Settings)
    places.record({row["name"]: row["key"] for row in stages}, loaded.model_dump(mode="json"))


def dataset_in_words(places: Places) -> str:
    """Return the dataset's name and how many images it has."""
    from pipeline_lib.stages.result import read_manifest

    summary = read_manifest(places.work / "artifacts" / "stages" / "dataset" / places.key("dataset")).summary
    train, test = (sum(summary["counts"][split].values()) for split in ("train", "test"))
    return f"{summary['name']}, {train:,} images of train and {test:,} of test in {len(summary['classes'])} classes"


def measure_section(section: Any, repetitions: int, places: Places, asked: Asked, into: Measured) -> None:
    """Measure one section; one that cannot be prepared is a failure among others."""
    try:
        contenders = section.contenders(places, asked)
    except FailedError as error:
        say(f"{section.SECTION}: {error}")
        into.failures[section.SECTION] = str(error)
    else:
        measure(section.SECTION, contenders, repetitions, places, into)


def result(places: Places, described: dict[str, str], sections: list[Any], measured: Measured) -> dict[str, Any]:
    """Return the content of the JSON file."""
    return {
        "command": places.shown((sys.executable, *sys.argv)),
        "date": time.strftime("%Y-%m-%d"),
        "conditions": CONDITIONS,
        "dataset": dataset_in_words(places),
        "machine": described,
        "targets": [target.judged(measured).as_json() for section in sections for target in section.TARGETS],
        "sections": [{"name": section.SECTION, "about": section.ABOUT} for section in sections],
        "rows": [row.as_json() for row in measured.rows],
        "failures": measured.failures,
    }


if __name__ == "__main__":
    main()
