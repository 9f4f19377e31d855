"""What a remote store costs and saves: a run that reuses everything with and without one, and the bytes that are moved.

    .venv/bin/python benchmarks/remote.py DATASET WORK [--repeat 5]

An S3 server (moto, of the development packages) on loopback is the remote store. ``WORK`` is a folder for all results; one
that has been used before is gone on with. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from moto.server import ThreadedMotoServer
from places import PROJECT
from served import prefect_server

PORT, SEED = 23_517, 1
S3 = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": f"http://127.0.0.1:{PORT}",
    "NO_PROXY": "127.0.0.1",
    "GARBAGE_REMOTE": "s3://results/team",
    "GARBAGE_REMOTE_MODE": "readwrite",
}


def garbage(root: Path, *arguments: str | Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Run a command on an artifacts root; return what it prints as JSON, with the seconds of its process."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "cli.main", *map(str, arguments), "--json", "--artifacts", str(root)]
    done = subprocess.run(command, cwd=PROJECT, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True)
    return {**json.loads(done.stdout.splitlines()[-1]), "wall": time.perf_counter() - started}


def changed(dataset: Path, target: Path) -> Path:
    """Lay out a dataset of which 1 % of the photographs of train have other bytes, and return its folder."""
    shutil.rmtree(target, ignore_errors=True)
    with zipfile.ZipFile(dataset) as archive:
        archive.extractall(target)
    photographs = sorted(path for path in target.rglob("train/*/*") if path.is_file())
    for path in random.Random(SEED).sample(photographs, len(photographs) // 100):
        path.write_bytes(path.read_bytes() + b"\0")
    return next(path.parent for path in target.rglob("train") if path.is_dir())


def in_turn(work: Path, dataset: Path, served: Mapping[str, str], repeat: int) -> dict[str, Any]:
    """Measure a run that finds everything on this machine, without and with the remote store, by turns."""
    seconds: dict[str, list[float]] = {"local": [], "remote": []}
    for number in range(repeat + 1):
        for name, remote in (("local", {}), ("remote", S3)):
            run = garbage(work / "one", "run", "--dataset", dataset, environment={**served, **remote})
            assert {row["status"] for row in run["stages"]} == {"reused"}
            if number:
                seconds[name].append(run["wall"])
    middle = {name: statistics.median(each) for name, each in seconds.items()}
    spread = {f"{name}_spread": [round(min(each), 2), round(max(each), 2)] for name, each in seconds.items()}
    return {**middle, **spread, "ratio": middle["remote"] / middle["local"]}


def measure(dataset: Path, work: Path, repeat: int, served: Mapping[str, str]) -> dict[str, Any]:
    """Return all figures."""
    one, other = work / "one", work / "other"
    shutil.rmtree(other, ignore_errors=True)
    computed = garbage(one, "run", "--dataset", dataset, environment=served)
    pushed = garbage(one, "push", environment=S3)
    found = {"computed": computed["wall"], "push": _moved(pushed), "push_again": _moved(garbage(one, "push", environment=S3))}
    found |= {"reused": in_turn(work, dataset, served, repeat)}
    fetched = garbage(other, "run", "--dataset", dataset, environment={**served, **S3})
    reasons = sorted({row["reason"] for row in fetched["stages"]})
    found |= {"run_that_fetches": {"seconds": fetched["wall"], "reasons": reasons}}
    copy = changed(dataset, work / "changed" / dataset.stem)
    garbage(one, "run", "--dataset", copy, environment=served)
    found |= {"push_changed": _moved(garbage(one, "push", environment=S3))}
    return found | {"pull_changed": _moved(garbage(other, "pull", environment=S3))}


def _moved(done: Mapping[str, Any]) -> dict[str, float]:
    return {"results": done["results"], "megabytes": round(done["bytes"] / 1e6, 2), "seconds": round(done["wall"], 1)}


def main() -> None:
    """Start the servers and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="zip archive of photographs")
    parser.add_argument("work", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PREFECT_HOME": str(asked.work / "prefect")}
    s3 = ThreadedMotoServer("127.0.0.1", PORT, verbose=False)
    s3.start()
    try:
        httpx.put(f"http://127.0.0.1:{PORT}/results", trust_env=False, timeout=120).raise_for_status()
        with prefect_server(asked.work, environment) as address:
            served = {"PREFECT_API_URL": address, "PREFECT_HOME": environment["PREFECT_HOME"]}
            print(json.dumps(measure(asked.dataset.absolute(), asked.work.absolute(), asked.repeat, served), indent=1))
    finally:
        s3.stop()


if __name__ == "__main__":
    main()
