"""Kill cold runs with SIGKILL at random moments, run again to the end, and compare with a run that nobody disturbed.

    .venv/bin/python benchmarks/kill.py --dataset sample --kills 10 --set image_size=96

Every run starts in a folder of its own, removed at the end. Exit code 1 when metrics or digests differ.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pipeline_lib.stages.store import read_manifest


def main() -> None:
    """Read the arguments, run, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="sample")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1, help="of the random moments")
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="NAME=VALUE")
    options = parser.parse_args()
    command = ["--dataset", options.dataset, *(f"--set={pair}" for pair in options.assignments)]
    moments, same = random.Random(options.seed), True
    with tempfile.TemporaryDirectory() as scratch:
        undisturbed = Path(scratch, "undisturbed")
        started = time.perf_counter()
        expected = finish(undisturbed, command)
        seconds = time.perf_counter() - started
        print(f"undisturbed: {seconds:.1f} s, test top-1 {expected['metrics']['test']['top1']:.4f}", flush=True)
        for number in range(1, options.kills + 1):
            disturbed = Path(scratch, f"kill-{number}")
            end = kill(disturbed, command, moments.uniform(0, seconds))
            result = finish(disturbed, command)
            agree = result["metrics"] == expected["metrics"] and digests(disturbed) == digests(undisturbed)
            reused = sum(row["status"] == "reused" for row in result["stages"])
            print(f"kill {number:2} {end}; then {reused} stages reused, {'same' if agree else 'DIFFERENT'} result", flush=True)
            same &= agree
    sys.exit(not same)


def start(artifacts: Path, command: list[str]) -> subprocess.Popen[str]:
    """Start a run with results and a Prefect home of its own."""
    environment = {**os.environ, "GARBAGE_ARTIFACTS": str(artifacts), "PREFECT_HOME": str(artifacts.parent / "prefect")}
    arguments = [sys.executable, "-m", "cli.main", "run", "--json", *command]
    return subprocess.Popen(
        arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(artifacts: Path, command: list[str]) -> dict[str, Any]:
    """Run to the end and return what the run says of itself."""
    process = start(artifacts, command)
    out, err = process.communicate()
    if process.returncode:
        sys.exit(err)
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    return result


def kill(artifacts: Path, command: list[str], after: float) -> str:
    """Kill a run, and the server it started, after some seconds; return what it was about to do."""
    process = start(artifacts, command)
    try:
        process.communicate(timeout=after)
        return f"over before {after:.1f} s"
    except subprocess.TimeoutExpired:
        unfinished = sorted({path.parent.name for path in artifacts.glob("stages/*/*.partial")})
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return f"after {after:5.1f} s, unfinished: {', '.join(unfinished) or 'nothing'}"


def digests(artifacts: Path) -> dict[str, list[str]]:
    """Return the digests of all results but the report, which tells how long the stages took."""
    manifests = [read_manifest(path.parent) for path in artifacts.glob("stages/*/*/manifest.json")]
    stages = {manifest.stage for manifest in manifests} - {"report"}
    return {stage: sorted(each.digest for each in manifests if each.stage == stage) for stage in sorted(stages)}


if __name__ == "__main__":
    main()
