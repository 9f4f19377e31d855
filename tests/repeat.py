"""Repeat the tests of flows and operation, in another order each time, while every core is busy: part of ``make acceptance``.

No test may depend on how fast the machine is or on which test ran before.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

PYTEST = [sys.executable, "-m", "pytest", "-q", "-m", "acceptance or not acceptance"]
# As `make test` has: what waits for a server leaves the cores to the others.
PROCESSES = ["--numprocesses", "4", "--no-loadscope-reorder"]
FOLDERS = ["tests/flows", "tests/operation"]
# Ends when the program that started it does, whatever ends that.
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"


@contextmanager
def busy_cores() -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def collected() -> list[str]:
    """The names of all tests."""
    listed = subprocess.run([*PYTEST, "--collect-only", *FOLDERS], capture_output=True, text=True, check=False)
    if listed.returncode:
        sys.exit(listed.stdout + listed.stderr)
    return [line for line in listed.stdout.splitlines() if "::" in line]


def main(times: int) -> int:
    """Run all tests ``times`` times and return how many of these runs failed."""
    tests, failed = collected(), []
    for number in range(1, times + 1):
        random.Random(number).shuffle(tests)
        with busy_cores():
            if subprocess.run([*PYTEST, *PROCESSES, *tests], check=False).returncode:
                failed.append(number)
        click.echo(f"repetition {number} of {times}: {'failed' if number in failed else 'passed'}")
    click.echo(f"{len(tests)} tests, {times} times: " + (f"failed in repetitions {failed}" if failed else "no failure"))
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
