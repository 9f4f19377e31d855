"""A deployed run that is asked to stop, or that is no longer wanted, stops within seconds, whatever it is doing."""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import threading
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

# Seconds.
PATIENCE = 8  # for a process that got SIGTERM; the worker itself waits 30 before it kills a run
LOOK = 2  # between two looks at the run's state
GRACE = 4  # for a process whose run was suspended, cancelled, given up or deleted
LINGER = 60  # for a process whose run is finished and that has its last messages to send


def stop_within(seconds: float = PATIENCE) -> None:
    """Let this process end within seconds of SIGTERM, or of its run's end, if it is the process of a deployed run.

    Prefect turns the signal into an exception. One that arrives while MindSpore is being imported leaves the library half
    made, and it then hangs while Python shuts down. So this does not rely on Python: the signal's number is written to a
    socket at once, and the watchdog that is armed by it is a thread of the C library.

    Nobody sends a signal to a run that is suspended, or that is cancelled while no worker is there. So the process also looks
    at its run's state.

    Args:
        seconds: How long the process may take to end by itself after SIGTERM.
    """
    run = os.environ.get("PREFECT__FLOW_RUN_ID")
    if not run or threading.current_thread() is not threading.main_thread():
        return
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(woken, wake, seconds), name="stopping", daemon=True).start()
    threading.Thread(target=_follow, args=(UUID(run),), name="following", daemon=True).start()


def _watch(woken: socket.socket, wake: socket.socket, seconds: float) -> None:
    """Wait for SIGTERM, then leave the process ``seconds`` to end by itself. Holds both ends open."""
    while signal.SIGTERM not in woken.recv(64):
        continue
    faulthandler.dump_traceback_later(seconds, exit=True)


def _follow(run: UUID) -> None:
    """End this process soon after its run stops being Running, and leave the run in the state that somebody gave it.

    The exit code is 0: the worker calls a run Crashed whose process ends with another one.
    """
    from prefect.client.orchestration import get_client
    from prefect.logging.loggers import flow_run_logger
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    pause = threading.Event()
    # The next look is the retry. Prefect's own would wait for minutes after the server is back.
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}), get_client(sync_client=True) as client:
        seen = _when_over(client, run, pause)
        if seen:
            flow_run_logger(seen).warning("The run is %s: its process ends", seen.state_name)
        finished = seen and seen.state and (seen.state.is_completed() or seen.state.is_failed())
        pause.wait(LINGER if finished else GRACE)
        try:
            _end_cancelled(client, run)
        finally:
            os._exit(0)


def _when_over(client: SyncPrefectClient, run: UUID, pause: threading.Event) -> FlowRun | None:
    """Wait until this process is no longer the one that works on the run, and return the run; None if it was deleted."""
    import httpx
    from prefect.exceptions import ObjectNotFound

    attempt = None
    while True:
        pause.wait(LOOK)
        try:
            seen = client.read_flow_run(run)
        except ObjectNotFound:
            return None
        except httpx.HTTPError:
            continue  # a run outlives its server, which is started again
        attempt = attempt or seen.run_count
        if not (seen.state and seen.state.is_running() and seen.run_count == attempt):
            return seen


def _end_cancelled(client: SyncPrefectClient, run: UUID) -> None:
    """Call a run Cancelled that is still Cancelling: its worker is not there, or slow to stop it."""
    from prefect.states import Cancelled

    state = client.read_flow_run(run).state
    if state and state.is_cancelling():
        client.set_flow_run_state(run, Cancelled(message="Cancelled; its process stopped itself"))
