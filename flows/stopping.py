"""A deployed run that is told to stop stops within seconds, whatever it is doing."""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import threading

PATIENCE = 8  # seconds; the worker itself waits 30 before it kills a run


def stop_within(seconds: float = PATIENCE) -> None:
    """Let SIGTERM end this process within ``seconds``, if it is the process of a deployed run.

    Prefect turns the signal into an exception. One that arrives while MindSpore is being imported leaves the library half
    made, and it then hangs while Python shuts down. So this does not rely on Python: the signal's number is written to a
    socket at once, and the watchdog that is armed by it is a thread of the C library.
    """
    deployed = "PREFECT__FLOW_RUN_ID" in os.environ
    if not deployed or threading.current_thread() is not threading.main_thread():
        return
    told, tell = socket.socketpair()
    tell.setblocking(False)
    signal.set_wakeup_fd(tell.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(told, tell, seconds), name="stopping", daemon=True).start()


def _watch(told: socket.socket, tell: socket.socket, seconds: float) -> None:
    """Wait for SIGTERM, then leave the process ``seconds`` to end by itself. Holds both ends open."""
    while signal.SIGTERM not in told.recv(64):
        continue
    faulthandler.dump_traceback_later(seconds, exit=True)
