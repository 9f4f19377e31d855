"""Two machines that share results: what one has computed, the other reuses, whatever is different about it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from remote_store import Server
from support import CommandLine, Finished, command_line, write_tiny_dataset

from pipeline_lib.stages.sharing import FETCHED, IN_REMOTE


def results(artifacts: Path) -> dict[str, str]:
    """The digest of every result by stage and key."""
    manifests = [json.loads(path.read_text()) for path in (artifacts / "stages").glob("*/*/manifest.json")]
    return {f"{each['stage']} {each['key']}": each["digest"] for each in manifests}


def test_another_machine_reuses_every_stage(
    garbage: CommandLine, first: Finished, s3: Server, tmp_path: Path, prefect_api: str
) -> None:
    garbage.environment |= s3.environment
    pushed = garbage("push", "--json")
    assert pushed.code == 0, pushed.err
    machine = command_line(tmp_path / "elsewhere" / "with a space", prefect_api)
    machine.environment |= {**s3.environment, "GARBAGE_REMOTE_MODE": "read", "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    machine.environment |= {"LC_ALL": "C", "TZ": "Asia/Kathmandu", "USER": "another"}
    pictures = write_tiny_dataset(tmp_path / "elsewhere" / "pictures")
    umask, cores = os.umask(0o027), os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        planned = machine("status", "--json", "--dataset", pictures)
        run = machine.run(pictures)
    finally:
        os.umask(umask)
        os.sched_setaffinity(0, cores)
    assert {(row["status"], row["reason"]) for row in planned.json["stages"]} == {("reused", IN_REMOTE)}
    assert {(row["status"], row["reason"]) for row in run.json["stages"]} == {("reused", FETCHED)}
    assert results(machine.artifacts) == results(garbage.artifacts)
    assert run.json["metrics"] == first.json["metrics"]
    assert "remote" not in run.json
