"""Fixtures that many tests share: a Prefect server of their own, the command line, tiny datasets."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from disk import small_disk  # noqa: F401  # a fixture
from registry import offline_pip  # noqa: F401  # a fixture
from support import PROJECT, CommandLine, Finished, clean_environment, free_port, write_tiny_dataset
from waiting import PATIENCE, eventually


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--figures", default="build/acceptance", help="folder in which the acceptance tests leave their figures")


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prefect server that lives as long as the test session, in a home of its own."""
    home, port = tmp_path_factory.mktemp("prefect"), free_port()
    address = f"http://127.0.0.1:{port}/api"
    environment = {**clean_environment(), "PREFECT_HOME": str(home), "PREFECT_UI_API_URL": address}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_until_healthy(f"{address}/health", server)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(PATIENCE)


def _wait_until_healthy(address: str, server: subprocess.Popen[bytes]) -> None:
    def answers() -> bool:
        assert server.poll() is None, f"the Prefect server ended with code {server.returncode}"
        try:
            return httpx.get(address, timeout=PATIENCE).is_success
        except httpx.TransportError:
            return False

    eventually(answers, bool)


def command_line(folder: Path, prefect_api: str) -> CommandLine:
    """Return the command line on an empty folder of results, and on a copy of the sources."""
    environment = {**clean_environment(), "PREFECT_API_URL": prefect_api, "PREFECT_HOME": str(folder / "prefect-home")}
    for package in ("cli", "flows", "tasks", "pipeline_lib"):
        shutil.copytree(PROJECT / package, folder / "source" / package)
    return CommandLine(folder / "artifacts", environment, folder / "source")


@pytest.fixture
def garbage(tmp_path: Path, prefect_api: str) -> CommandLine:
    """The command line on an empty folder of results, and on a copy of the sources that a test may edit."""
    return command_line(tmp_path, prefect_api)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> tuple[CommandLine, Finished]:
    """A run on the tiny dataset that computed every stage; tests go on from links to its results."""
    folder = tmp_path_factory.mktemp("finished")
    line = command_line(folder, prefect_api)
    return line, line.run(write_tiny_dataset(folder / "pictures"))


@pytest.fixture
def first(garbage: CommandLine, finished: tuple[CommandLine, Finished]) -> Finished:
    """The first run of a test that begins with one: its results are in place as if the test had run it."""
    line, run = finished
    shutil.copytree(line.artifacts, garbage.artifacts, symlinks=True, copy_function=_link_or_copy)
    return Finished(run.code, run.out.replace(str(line.artifacts), str(garbage.artifacts)), run.err)


def _link_or_copy(source: str, target: str) -> None:
    """Results are read-only and can share their content; notes and Prefect's records are written to."""
    if Path(source).stat().st_mode & stat.S_IWUSR:
        shutil.copy2(source, target)
    else:
        os.link(source, target)


@pytest.fixture
def tiny_dataset(tmp_path: Path) -> Path:
    """Three classes, eight training and three test pictures each, as PNG files."""
    return write_tiny_dataset(tmp_path / "pictures")
