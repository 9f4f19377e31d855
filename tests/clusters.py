"""Clusters as one starts them on other hosts: each worker a program of its own, in a folder of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from support import free_port
from waiting import PATIENCE, eventually

BIN = Path(sys.executable).parent


@dataclass
class Cluster:
    """A cluster in use.

    Attributes:
        engine: What ``GARBAGE_ENGINE`` calls it.
        workers: The programs of its workers; those of Ray start processes of their own.
    """

    engine: str
    workers: list[subprocess.Popen[bytes]]


@contextmanager
def program(folder: Path, environment: Mapping[str, str], *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs in a folder of its own, and is ended with all that it has started."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("ab") as log:
        started = subprocess.Popen([BIN / command[0], *command[1:]], cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        yield started
    finally:
        children = psutil.Process(started.pid).children(recursive=True) if started.poll() is None else []
        started.terminate()
        started.wait(PATIENCE)
        for child in psutil.wait_procs(children, 5)[1]:
            child.kill()


def elsewhere(folder: Path, environment: Mapping[str, str], artifacts: Path | None) -> dict[str, str]:
    """The environment of a worker: the artifacts root is mounted at a path of its own, and it knows of no Prefect server.

    Without ``artifacts`` nothing is mounted: the worker has results of its own alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if artifacts:
        artifacts.mkdir(parents=True, exist_ok=True)
        (folder / "mounted").symlink_to(artifacts)
    own = {name: value for name, value in environment.items() if name != "PREFECT_API_URL"}
    return {**own, "PREFECT_HOME": str(folder / "prefect-home"), "GARBAGE_ARTIFACTS": str(folder / "mounted")}


def await_port(port: int, started: subprocess.Popen[bytes]) -> None:
    """Wait until a program listens."""

    def listens() -> bool:
        assert started.poll() is None, f"the program ended with code {started.returncode}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    eventually(listens, bool)


@contextmanager
def dask(folder: Path, environment: Mapping[str, str], artifacts: Path | None, workers: int = 2) -> Iterator[Cluster]:
    """A Dask scheduler with workers of one thread each."""
    address = f"127.0.0.1:{free_port()}"
    port = address.rpartition(":")[2]
    options = ("--no-nanny", "--no-dashboard", "--nthreads", "1")
    with ExitStack() as stack:
        scheduler = ("dask", "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
        await_port(int(port), stack.enter_context(program(folder / "scheduler", environment, *scheduler)))
        started = []
        for number in range(workers):
            own = folder / f"worker-{number}"
            command = ("dask", "worker", f"tcp://{address}", *options)
            started.append(stack.enter_context(program(own, elsewhere(own, environment, artifacts), *command)))
            eventually(lambda log=own / "log": "Registered to" in log.read_text(), bool)  # type: ignore[misc]
        yield Cluster(f"dask://{address}", started)


@contextmanager
def ray(folder: Path, environment: Mapping[str, str], artifacts: Path | None, workers: int = 2) -> Iterator[Cluster]:
    """A Ray head with room for so many tasks at a time."""
    port, own = free_port(), folder / "head"
    command = ("ray", "start", "--head", "--block", "--include-dashboard=false", "--disable-usage-stats")
    ports = (f"--port={free_port()}", f"--ray-client-server-port={port}")
    size = (f"--num-cpus={workers}", "--object-store-memory=100000000")
    with TemporaryDirectory() as scratch:  # the path of a socket is short
        started = program(own, elsewhere(own, environment, artifacts), *command, *ports, *size, f"--temp-dir={scratch}")
        with started as head:
            await_port(port, head)
            yield Cluster(f"ray://127.0.0.1:{port}", [head])
