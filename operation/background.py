"""Background processes that outlive the command that started them: start once, find again, stop exactly these."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil

LONGEST_LOG = 10_000_000
"""Bytes after which a log is put aside at the next start."""


@dataclass(frozen=True)
class Background:
    """A named background process, its record ``<name>.json`` and its log ``<name>.log`` in ``folder``.

    The record holds the process's id and the moment it was created: a process that was given the same id later is
    another one and is never touched. ``ends_by`` is the signal that asks it to end.
    """

    name: str
    folder: Path
    ends_by: signal.Signals = signal.SIGTERM

    @property
    def log(self) -> Path:
        """The file of the process's output; a new start appends to it, or puts it aside as ``<name>.log.old`` if it is long."""
        return self.folder / f"{self.name}.log"

    @property
    def record(self) -> Path:
        """What is known of the process that was started."""
        return self.folder / f"{self.name}.json"

    def find(self) -> psutil.Process | None:
        """Return the process that was started if it is still running; the record of one that is not is removed."""
        try:
            known = json.loads(self.record.read_text(encoding="utf-8"))
            process = psutil.Process(known["pid"])
            if process.create_time() == known["created"] and process.status() != psutil.STATUS_ZOMBIE:
                return process
        except FileNotFoundError:
            return None
        except (psutil.NoSuchProcess, ValueError, KeyError):
            pass
        self.record.unlink(missing_ok=True)
        return None

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        umask: int = 0o077,
        identity: Mapping[str, Any] = MappingProxyType({}),
    ) -> psutil.Process:
        """Start ``command`` in a session of its own, so that neither Ctrl-C nor a closed terminal reaches it.

        What it writes is for its user alone, unless ``umask`` says otherwise; -1 leaves that as this process has it.
        ``identity`` is whom it runs as, if somebody else, in the words of ``subprocess``.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LONGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.old"))
        with self.log.open("ab") as log:
            started = subprocess.Popen(  # noqa: S603  # commands of this project, no shell
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=umask,
                **identity,
            )
        process = psutil.Process(started.pid)
        known = {"pid": process.pid, "created": process.create_time()}
        fresh = self.record.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(known), encoding="utf-8")
        fresh.replace(self.record)
        return process

    def stop(self, patience: float = 20) -> bool:
        """Ask the process to end, after ``patience`` seconds kill it. False when it was not running."""
        process = self.find()
        if process:
            end([process], patience, self.ends_by)
        self.record.unlink(missing_ok=True)
        return process is not None

    def last_words(self, lines: int = 5) -> str:
        """Return the end of the log in one line."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return " / ".join([line.strip() for line in text.splitlines() if line.strip()][-lines:])


def pause(process: psutil.Process, seconds: float) -> None:
    """Let time pass, less if the process ends."""
    try:
        process.wait(seconds)
    except psutil.TimeoutExpired:
        return


def end(processes: Sequence[psutil.Process], patience: float, ends_by: signal.Signals = signal.SIGTERM) -> None:
    """End processes: by a signal, after ``patience`` seconds by SIGKILL."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(ends_by)
    _, left = psutil.wait_procs(processes, patience)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, patience)
