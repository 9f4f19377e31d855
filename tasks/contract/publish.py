"""What a run shows in the Prefect UI of each stage, computed or reused."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime
from functools import partial
from typing import Any

import prefect.runtime
from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact

from pipeline_lib.reporting.telling import telling_figure
from pipeline_lib.stages.publishing import MANIFEST
from pipeline_lib.stages.run import Row, Run
from pipeline_lib.stages.store import Ref, plan
from tasks.contract.locks import file_lock

EXHIBITS = "pipeline_lib.reporting.exhibits"
SENDER = ThreadPoolExecutor(1, "artifacts")
"""One thread, so that artifacts reach the server in the order of their stages."""


def publish(run: Run, row: Row, results: Mapping[str, Ref]) -> None:
    """Log what came of the stage and why, and publish it with the stage's exhibit as the artifact ``<flow>-<stage>``.

    The artifact is on its way while the next stage begins; at its end the run waits for all of them, and fails if one did.
    """
    get_run_logger().info("%s %s in %.1f s: %s", row["name"], row["status"], row["seconds"], row["reason"])
    text = f"{_headline(row, results)}\n\n{_exhibit(run, row['name'], results)}"
    figure = telling_figure(row["name"], [ref.manifest() for ref in results.values()])
    artifact = {"key": artifact_key(row["name"]), "description": f"{figure}, {row['status']}"}
    sent = SENDER.submit(copy_context().run, partial(create_markdown_artifact, text, **artifact))
    run.at_end.callback(sent.result)


def artifact_key(stage: str) -> str:
    """Return the key under which the UI keeps the history of a stage of the flow that runs."""
    return f"{prefect.runtime.flow_run.flow_name}-{stage}".replace("_", "-")


def _headline(row: Row, results: Mapping[str, Ref]) -> str:
    """Say in one line what came of the stage, why, and when its results were computed."""
    counts = [f"{row[status]} shards {status}" for status in ("computed", "reused") if status in row]
    words = [f"**{row['status']}** in {row['seconds']:.1f} s: {row['reason']}", *(counts if len(counts) > 1 else [])]
    newest = max((ref.folder / MANIFEST).stat().st_mtime for ref in results.values())
    computed = datetime.fromtimestamp(newest, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return "> " + " · ".join([*words, f"results of {computed}"])


def _exhibit(run: Run, stage: str, results: Mapping[str, Ref]) -> str:
    """Return what the stage has to show; it is drawn once for each result and kept."""
    arguments: dict[str, Any] = {"stage": stage, "labels": list(results), "results": list(results.values())}
    keys = [ref.key for ref in results.values()]  # it shows settings too, which may change while the content does not
    planned = plan("exhibit", f"{run.slot}/{stage}", EXHIBITS, {**arguments, "keys": keys})
    found, reason = run.store.find(planned, run.verify)
    if found is None:
        from pipeline_lib.reporting.exhibits import draw_exhibit  # matplotlib: a run that reuses everything does without

        with file_lock(f"exhibit-{planned.key}"):
            found = run.store.build(planned, reason, run.id, partial(draw_exhibit, **arguments), verify=run.verify)
    return (found.folder / "exhibit.md").read_text(encoding="utf-8")
