"""Two network namespaces as two machines: nothing leads from one to the other but an S3 server behind a cable."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from moto.server import ThreadedMotoServer
from support import CommandLine, command_line, free_port, write_tiny_dataset
from waiting import PATIENCE

from pipeline_lib.stages.result import read_manifest

BRIDGE, NETWORK = "garbage-br", "10.77.0"
MACHINES = ("garbage-a", "garbage-b")
DATED = ("nights", "report", "exhibit")
"""Stages whose results show when a night was."""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@pytest.fixture
def machines() -> Iterator[tuple[str, ...]]:
    """Namespaces with a network card each, on a bridge of which this machine is the other end."""
    if os.geteuid() or not shutil.which("ip"):
        pytest.skip("network namespaces take root and the program ip")
    with ExitStack() as stack:
        ip("link", "add", BRIDGE, "type", "bridge")
        stack.callback(ip, "link", "del", BRIDGE)
        ip("addr", "add", f"{NETWORK}.1/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for number, name in enumerate(MACHINES, start=2):
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)
            ip("link", "add", f"{name}-out", "type", "veth", "peer", "name", "card", "netns", name)
            ip("link", "set", f"{name}-out", "master", BRIDGE, "up")
            for command in (("addr", "add", f"{NETWORK}.{number}/24", "dev", "card"), ("link", "set", "card", "up")):
                ip("-n", name, *command)
            ip("-n", name, "link", "set", "lo", "up")
        yield MACHINES


@pytest.fixture
def store(machines: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """What leads a process in a namespace to an S3 server with an empty bucket."""
    address = f"http://{NETWORK}.1:{(port := free_port())}"
    server = ThreadedMotoServer(f"{NETWORK}.1", port, verbose=False)
    server.start()
    try:
        httpx.put(f"{address}/results", trust_env=False, timeout=PATIENCE).raise_for_status()
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
        remote = {"GARBAGE_REMOTE": "s3://results/team", "GARBAGE_REMOTE_MODE": "readwrite"}
        yield {**keys, **remote, "AWS_ENDPOINT_URL": address, "NO_PROXY": f"{NETWORK}.1,127.0.0.1"}
    finally:
        server.stop()


def machine(folder: Path, namespace: str, store: dict[str, str], **environment: str) -> CommandLine:
    """A machine with a home of its own, whose runs start a Prefect server of their own."""
    made = command_line(folder, "")
    del made.environment["PREFECT_API_URL"]
    made.environment |= {**store, "HOME": str(folder), **environment}
    made.within = ("ip", "netns", "exec", namespace)
    return made


def digests(artifacts: Path, without: tuple[str, ...] = ()) -> dict[str, str]:
    """The digest of every result by its path, but for those of some stages."""
    folders = [path.parent for path in artifacts.glob("stages/*/*/manifest.json")]
    kept = [folder for folder in folders if folder.parent.name not in without]
    return {folder.relative_to(artifacts).as_posix(): read_manifest(folder).digest for folder in kept}


def test_what_one_machine_has_computed_the_other_one_reuses(
    machines: tuple[str, ...], store: dict[str, str], tmp_path: Path
) -> None:
    one, other = (tmp_path / name for name in machines)
    first = machine(one, machines[0], store)
    computed = first.run(write_tiny_dataset(one / "pictures"))
    second = machine(other, machines[1], store, LC_ALL="C", TZ="Asia/Kathmandu", USER="another", OMP_NUM_THREADS="1")
    second.within = (*second.within, "taskset", "--cpu-list", str(min(os.sched_getaffinity(0))))
    reused = second.run(write_tiny_dataset(other / "elsewhere" / "pictures"))
    assert set(computed.statuses.values()) == {"computed"}
    assert set(reused.statuses.values()) == {"reused"}
    assert digests(second.artifacts) == digests(first.artifacts)
    assert reused.json["metrics"] == computed.json["metrics"]


def test_machines_that_share_nothing_compute_the_same_bytes(
    machines: tuple[str, ...], store: dict[str, str], tmp_path: Path
) -> None:
    artifacts = []
    for name in machines:
        alone = machine(tmp_path / name, name, {})
        alone.run(write_tiny_dataset(tmp_path / name / "pictures"))
        artifacts.append(digests(alone.artifacts, without=DATED))
    assert artifacts[0] == artifacts[1]
