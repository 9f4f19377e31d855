"""Fixtures that many tests share: a Prefect server of their own, the command line, tiny datasets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest
from disk import small_disk  # noqa: F401  # a fixture
from distribution import ByServer, turn
from filelock import FileLock
from hypothesis import settings
from registry import offline_pip  # noqa: F401  # a fixture
from remote_store import remote, s3  # noqa: F401  # fixtures
from support import CommandLine, Finished, clean_environment, command_line, free_port, link_results, write_tiny_dataset
from waiting import PATIENCE, eventually
from xdist.remote import Producer

# Results of tests are nobody else's.
os.environ.pop("GARBAGE_REMOTE", None)

# An example takes as long as the machine lets it.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByServer:
    return ByServer(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: turn(item.path))


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


@pytest.fixture
def garbage(tmp_path: Path, prefect_api: str) -> CommandLine:
    """The command line on an empty folder of results, and on a copy of the sources that a test may edit."""
    return command_line(tmp_path, prefect_api)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str, request: pytest.FixtureRequest) -> tuple[Path, Finished]:
    """The results of a run on the tiny dataset that computed every stage, and what it printed; tests go on from links to them.

    One process of pytest-xdist makes the run for all.
    """
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "finished"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        if not (record := folder / "record.json").exists():
            line = command_line(folder, request.getfixturevalue("prefect_api"))
            record.write_text(json.dumps(asdict(line.run(write_tiny_dataset(folder / "pictures")))))
    return folder / "artifacts", Finished(**json.loads(record.read_text()))


@pytest.fixture
def first(garbage: CommandLine, finished: tuple[Path, Finished]) -> Finished:
    """The first run of a test that begins with one: its results are in place as if the test had run it."""
    artifacts, run = finished
    link_results(artifacts, garbage.artifacts)
    return Finished(run.code, run.out.replace(str(artifacts), str(garbage.artifacts)), run.err)


@pytest.fixture
def tiny_dataset(tmp_path: Path) -> Path:
    """Three classes, eight training and three test pictures each, as PNG files."""
    return write_tiny_dataset(tmp_path / "pictures")
