"""A deployed run ends soon after SIGTERM, even when Python cannot shut down."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from uuid import uuid4

import pytest
from support import PROJECT, free_port
from waiting import PATIENCE

HANGS = """
import atexit, threading
from tasks.contract.stopping import stop_within
stop_within(0.5)
atexit.register(threading.Event().wait)  # as a library that was interrupted while it was imported
print("ready", flush=True)
try:
    threading.Event().wait()
except BaseException:
    raise SystemExit from None
"""


def start(**environment: str) -> subprocess.Popen[str]:
    program = f"import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit())\n{HANGS}"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    return process


def test_a_deployed_run_that_hangs_while_it_stops_is_ended() -> None:
    process = start(PREFECT__FLOW_RUN_ID=str(uuid4()), PREFECT_API_URL=f"http://127.0.0.1:{free_port()}/api")
    # By exit code 1, or by the signal that the C library's watchdog meets when it walks the stacks of running threads.
    assert process.wait(PATIENCE) in (1, -signal.SIGSEGV)
    process.communicate()


def test_a_run_of_the_command_line_is_left_alone() -> None:
    process = start()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(3)
    process.kill()
    process.communicate()
