"""A server of ``garbage serve`` in a process of its own."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support import CommandLine
from waiting import PATIENCE


@contextmanager
def serving(line: CommandLine, *options: str | Path) -> Iterator[str]:
    """A server in a process of its own, and its address."""
    process = line.start("serve", "--port", "0", *options)
    assert process.stderr is not None
    address = ""
    for text in process.stderr:
        if "serving on " in text:
            address = text.split()[2]
            break
    drained = threading.Thread(target=process.stderr.read)
    drained.start()
    try:
        assert address, "the server did not start"
        yield address
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE) in (0, -signal.SIGINT)
    finally:
        process.kill()
        process.wait()
        drained.join()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()
