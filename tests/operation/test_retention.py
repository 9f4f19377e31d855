"""What `make ui` keeps: the settings of Prefect's vacuum are understood by the Prefect that is installed, and logs end."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from prefect.settings.models.server.services import ServerServicesDBVacuumSettings
from support import PROJECT

from operation.background import LONGEST_LOG, Background
from operation.starting import SERVER

START = """
import os, sys, pathlib
from operation.background import Background
Background("worker", pathlib.Path(sys.argv[1])).start([sys.executable, "-c", ""], os.environ).wait()
"""


def test_prefects_vacuum_removes_runs_with_their_logs_and_artifacts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVER.items():
        monkeypatch.setenv(name, value)
    vacuum = ServerServicesDBVacuumSettings()
    assert vacuum.enabled_vacuum_types == {"events", "flow_runs", "orphans"}
    assert vacuum.retention_period == timedelta(days=90)


def test_a_long_log_is_put_aside_at_the_next_start(tmp_path: Path) -> None:
    process = Background("worker", tmp_path)
    for size in (LONGEST_LOG, LONGEST_LOG + 1):
        process.log.write_bytes(b"x" * size)
        subprocess.run([sys.executable, "-c", START, tmp_path], cwd=PROJECT, check=True)
        assert process.log.with_suffix(".log.old").exists() == (size > LONGEST_LOG)
    assert process.log.stat().st_size == 0
