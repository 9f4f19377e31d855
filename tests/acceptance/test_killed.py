"""Cold runs that are killed at random moments and run again to the end have the result of a run that nobody disturbed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support import CommandLine

from pipeline_lib.stages.result import read_manifest

KILLS, SEED = 10, 1


def kill(garbage: CommandLine, after: float) -> str:
    """Kill a run, and the server it started, after some seconds; return which stages were unfinished."""
    process = garbage.start("run", "--dataset", "sample")
    try:
        process.communicate(timeout=after)
        return "over before"
    except subprocess.TimeoutExpired:
        unfinished = sorted({path.parent.name for path in garbage.artifacts.glob("stages/*/*.partial")})
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return ", ".join(unfinished)


def digests(artifacts: Path) -> dict[str, list[str]]:
    """All digests but those of the report, which has in it how long the stages took."""
    manifests = [read_manifest(path.parent) for path in artifacts.glob("stages/*/*/manifest.json")]
    stages = {each.stage for each in manifests} - {"report", "exhibit"}
    return {stage: sorted(each.digest for each in manifests if each.stage == stage) for stage in stages}


def test_killed_runs_end_like_an_undisturbed_one(garbage: CommandLine, tmp_path: Path, record: Callable[[Any], None]) -> None:
    garbage.environment.pop("PREFECT_API_URL")  # each run starts a server of its own, which is killed with it
    garbage.settings, moments = {"image_size": 96}, random.Random(SEED)
    started = time.perf_counter()
    expected, digests_expected = garbage.run("sample"), digests(garbage.artifacts)
    seconds, kills = time.perf_counter() - started, []
    for number in range(KILLS):
        garbage.artifacts, after = tmp_path / f"killed-{number}", moments.uniform(0, seconds)
        unfinished = kill(garbage, after)
        finished = garbage.run("sample")
        reused = sum(status == "reused" for status in finished.statuses.values())
        kills.append({"after": after, "unfinished": unfinished, "reused": reused})
        record({"undisturbed_seconds": seconds, "kills": kills})
        assert finished.json["metrics"] == expected.json["metrics"]
        assert digests(garbage.artifacts) == digests_expected
        shutil.rmtree(garbage.artifacts)
