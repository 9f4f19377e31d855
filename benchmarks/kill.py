"""Kill a run with SIGKILL at random moments, let it finish, and compare with a run that nobody disturbed.

    .venv/bin/python benchmarks/kill.py --dataset sample --kills 10 --set image_size=96

Both runs start cold, in folders of their own that are removed at the end. Exit code 1 when figures or digests differ.
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

from pipeline_lib.stages import read_manifest


def main() -> None:
    """Read the arguments, run, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="sample")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1, help="of the random moments")
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="NAME=VALUE")
    options = parser.parse_args()
    command = ["--dataset", options.dataset, *(f"--set={pair}" for pair in options.assignments)]
    with tempfile.TemporaryDirectory() as scratch:
        undisturbed, disturbed = Path(scratch, "undisturbed"), Path(scratch, "disturbed")
        started = time.perf_counter()
        expected = finish(undisturbed, command)
        seconds = time.perf_counter() - started
        print(f"undisturbed: {seconds:.1f} s, test top-1 {expected['metrics']['test']['top1']:.4f}")
        moments = random.Random(options.seed)
        for number in range(1, options.kills + 1):
            print(f"kill {number:2}: {kill(disturbed, command, moments.uniform(0, seconds))}")
        result = finish(disturbed, command)
        same = result["metrics"] == expected["metrics"] and digests(disturbed) == digests(undisturbed)
    print("metrics and digests are the same" if same else "metrics or digests DIFFER")
    sys.exit(not same)


def start(artifacts: Path, command: list[str]) -> subprocess.Popen[str]:
    """Start a run with results and a Prefect home of its own."""
    environment = {**os.environ, "GARBAGE_ARTIFACTS": str(artifacts), "PREFECT_HOME": str(artifacts.parent / "prefect")}
    arguments = [sys.executable, "-m", "flows.cli", "run", "--json", *command]
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
