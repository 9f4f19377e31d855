"""Whoever interrupts or terminates a run at a terminal gets the prompt back, and no server is left behind."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from support import PATIENCE, CommandLine


@pytest.mark.parametrize("sent", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.acceptance)])
def test_a_run_that_is_stopped_takes_its_temporary_server_along(
    garbage: CommandLine, tiny_dataset: Path, sent: signal.Signals
) -> None:
    environment = {name: value for name, value in garbage.environment.items() if name != "PREFECT_API_URL"}
    process = replace(garbage, environment=environment).start("run", "--dataset", tiny_dataset)
    try:
        assert process.stderr is not None
        while "dataset" not in (line := process.stderr.readline()):
            assert line, "the run ended before its first stage"
        assert len(in_session(process.pid)) > 1, "there is no temporary server"
        process.send_signal(sent)
        _, output = process.communicate(timeout=PATIENCE)  # ends when nobody holds the pipe any more
        assert process.returncode == 128 + sent
        assert "stopped; finished stages are kept" in output
        assert "Traceback" not in output
        assert "Fatal" not in output
        assert in_session(process.pid) == []
        assert (garbage.artifacts / "stages" / "dataset").is_dir()
    finally:
        for left in in_session(process.pid):
            left.kill()


def in_session(leader: int) -> list[psutil.Process]:
    """The processes of a session that are still alive."""
    return [each for each in psutil.process_iter() if session_of(each) == leader and each.status() != psutil.STATUS_ZOMBIE]


def session_of(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return None
