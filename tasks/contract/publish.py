"""What a run shows in the Prefect UI of each stage, computed or reused."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import prefect.runtime
from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact

from pipeline_lib.reporting.blocks import keep_shown, read_shown
from pipeline_lib.reporting.pages.report import artifact_of
from pipeline_lib.stages.key import Plan, plan
from pipeline_lib.stages.publishing import MANIFEST
from pipeline_lib.stages.result import Ref, Summary
from pipeline_lib.stages.run import Row, Run
from tasks.contract.locks import file_lock

SHOWN = "pipeline_lib.reporting.shown"
SENDER = ThreadPoolExecutor(1, "artifacts")
"""One thread, so that artifacts reach the server in the order of their stages."""


class Exhibit(NamedTuple):
    """What a stage shows: the module that says so, its plan, and the stored blocks if they are there, else why not."""

    module: str
    plan: Plan
    found: Ref | None
    reason: str


def find_exhibit(run: Run, stage: str, results: Mapping[str, Ref]) -> Exhibit:
    """Look up what a stage shows.

    It is kept like any result, under a key of its own: a run that reuses a stage draws nothing, and an edited figure never
    computes a stage again.
    """
    module = f"{SHOWN}.{stage}"
    if importlib.util.find_spec(module) is None:
        module = f"{SHOWN}.default"
    keys = [ref.key for ref in results.values()]  # it shows settings too, which may change while the content does not
    arguments = {"labels": list(results), "results": list(results.values()), "keys": keys}
    planned = plan("exhibit", f"{run.slot}/{stage}", module, arguments)
    return Exhibit(module, planned, *run.find(planned))


def publish(run: Run, row: Row, exhibit: Exhibit, results: Mapping[str, Ref], dataset: Ref | None) -> Ref:
    """Log what came of the stage and why, and publish what it shows as the artifact ``<flow>-<stage>``; return what it shows.

    The module that says what it shows is given the stage's ``dataset`` if it asks for it, to show photographs of it. The
    artifact is on its way while the next stage begins; at its end the run waits for all of them, and fails if one did.
    """
    get_run_logger().info("%s %s in %.1f s: %s", row["name"], row["status"], row["seconds"], row["reason"])
    for news in run.store.shared.taken_news() if run.store.shared else ():
        get_run_logger().warning(news)
    stored = exhibit.found or _draw(run, exhibit, results, dataset)
    run.store.remember(exhibit.plan)
    shown = read_shown(stored.folder)
    row["figure"] = shown.figure
    text = f"{_headline(row, results)}\n\n{artifact_of(shown, stored.manifest().summary)}"
    artifact = {"key": artifact_key(row["name"]), "description": f"{shown.figure}, {row['status']}"}
    sent = SENDER.submit(copy_context().run, partial(create_markdown_artifact, text, **artifact))
    run.at_end.callback(sent.result)
    return stored


def artifact_key(stage: str) -> str:
    """Return the key under which the UI keeps the history of a stage of the flow that runs."""
    return f"{prefect.runtime.flow_run.flow_name}-{stage}".replace("_", "-").replace(" ", "-")


def _headline(row: Row, results: Mapping[str, Ref]) -> str:
    """Say in one line what came of the stage, why, and when its results were computed."""
    counts = [f"{row[status]} shards {status}" for status in ("computed", "reused") if status in row]
    words = [f"**{row['status']}** in {row['seconds']:.1f} s: {row['reason']}", *(counts if len(counts) > 1 else [])]
    newest = max((ref.folder / MANIFEST).stat().st_mtime for ref in results.values())
    computed = datetime.fromtimestamp(newest, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return "> " + " · ".join([*words, f"results of {computed}"])


def _draw(run: Run, exhibit: Exhibit, results: Mapping[str, Ref], dataset: Ref | None) -> Ref:
    def draw(folder: Path) -> Summary:
        # It imports matplotlib, which a run that reuses everything does without.
        show = importlib.import_module(exhibit.module).show
        asked = {"dataset": dataset} if "dataset" in inspect.signature(show).parameters else {}
        shown = show(results, **asked)
        return keep_shown(folder, shown, [ref.manifest() for ref in results.values()])

    with file_lock(f"exhibit-{exhibit.plan.key}"):
        return run.store.build(exhibit.plan, exhibit.reason, run.id, draw, verify=run.verify)
