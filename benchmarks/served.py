"""A Prefect server of a benchmark's own, on a free port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx


@contextmanager
def prefect_server(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Start a Prefect server alone, on loopback, in the environment given; yield its address and stop it at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}/api", server)
        yield f"http://127.0.0.1:{port}/api"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def _wait_until_healthy(api: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and server.poll() is None:
        if _is_healthy(api):
            return
        time.sleep(0.1)
    raise RuntimeError("the Prefect server does not answer; see server.log")


def _is_healthy(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health", timeout=1).is_success
    except httpx.HTTPError:
        return False
