"""What a run shows in the Prefect UI of each stage, computed or reused."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact

from pipeline_lib.stages import Ref, Summary


def publish(row: dict[str, Any], refs: list[Ref]) -> None:
    """Log what came of the stage and why; publish that and its (first) result's summary as ``garbage-<stage>``."""
    get_run_logger().info("%s %s in %.1f s: %s", row["name"], row["status"], row["seconds"], row["reason"])
    create_markdown_artifact(_markdown(row, refs[0].manifest().summary), key=f"garbage-{row['name'].replace('_', '-')}")


def _markdown(row: dict[str, Any], summary: Summary) -> str:
    lines = [f"**{row['status']}** in {row['seconds']:.1f} s: {row['reason']}", "", "| what | value |", "|---|---|"]
    lines += [f"| {name} | {_cell(value)} |" for name, value in summary.items()]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return (text if len(text) <= 300 else text[:297] + "...").replace("|", "\\|").replace("\n", " ")
