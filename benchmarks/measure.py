"""Measure programs by turns, each in a process of its own: median, least and greatest of several repetitions."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from places import PROJECT, Places


@dataclass(frozen=True)
class Contender:
    """A program that is measured.

    Attributes:
        name: What it is, for readers; unique in its section.
        command: How it is started, in the project's folder.
        figures: Which of the figures that it prints as JSON are kept, each with its unit. ``wall`` is measured from outside,
            from the start of the process to its end.
        most: Most repetitions, for what takes minutes.
        warm_up: Whether a run before the first one is thrown away.
        environment: What its environment has beside what all have.
        check: Is given its standard output and raises ValueError when it did not do what is measured.
    """

    name: str
    command: tuple[str, ...]
    figures: Mapping[str, str]
    most: int | None = None
    warm_up: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[str], None] = lambda out: None


@dataclass(frozen=True)
class Asked:
    """What is wanted of a benchmark.

    Attributes:
        quick: Measure little: is everything in order?
        peers: Whether the peers are installed and wanted.
        settings: Settings of the flow, ``NAME=VALUE``.
        kept: What has to stay up while a section is measured.
    """

    quick: bool
    peers: bool
    settings: tuple[str, ...]
    kept: ExitStack


@dataclass(frozen=True)
class Row:
    """A figure of a contender over all repetitions."""

    section: str
    name: str
    figure: str
    unit: str
    median: float
    min: float
    max: float
    repetitions: int
    values: list[float]
    command: str

    @classmethod
    def of(cls, section: str, name: str, figure: str, unit: str, values: Sequence[float], command: str) -> Row:
        """Return the row of measured values, at least one."""
        return cls(
            section, name, figure, unit, statistics.median(values), min(values), max(values), len(values), [*values], command
        )

    def as_json(self) -> dict[str, Any]:
        """Return the row as it is in the JSON file."""
        return asdict(self)


@dataclass
class Measured:
    """What came of the measurements.

    Attributes:
        rows: A row for each figure of each contender.
        failures: Why a contender has no row, by section and name.
    """

    rows: list[Row] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    def median(self, section: str, name: str, figure: str) -> float | None:
        """Return a median; None when it was not measured."""
        found = [row.median for row in self.rows if (row.section, row.name, row.figure) == (section, name, figure)]
        return found[0] if found else None


class FailedError(Exception):
    """A measured program failed."""


def measure(section: str, contenders: Sequence[Contender], repetitions: int, places: Places, into: Measured) -> None:
    """Measure contenders by turns, so that a machine that gets slower or faster does so to all of them."""
    values: dict[str, dict[str, list[float]]] = {each.name: {} for each in contenders}
    failed: dict[str, str] = {}
    for turn in range(-1, repetitions):
        for each in contenders:
            due = each.warm_up if turn < 0 else turn < (each.most or repetitions)
            if each.name in failed or not due:
                continue
            try:
                figures = run(each, places)
            except (FailedError, ValueError) as error:
                failed[each.name] = str(error)
                say(f"{section}: {each.name}: failed: {error}")
                continue
            if turn >= 0:
                say(f"{section}: {each.name}: {', '.join(f'{name} {value:.4g}' for name, value in figures.items())}")
                for figure, value in figures.items():
                    values[each.name].setdefault(figure, []).append(value)
    for each in contenders:
        if each.name not in failed:
            shown = places.shown(each.command)
            into.rows += [
                Row.of(section, each.name, figure, each.figures[figure], taken, shown)
                for figure, taken in values[each.name].items()
            ]
    into.failures |= {f"{section}: {name}": reason for name, reason in failed.items()}


def run(contender: Contender, places: Places) -> dict[str, float]:
    """Run a contender once and return its figures."""
    started = time.perf_counter()
    out = output(contender.command, places, **contender.environment)
    wall = time.perf_counter() - started
    contender.check(out)
    printed = {} if set(contender.figures) == {"wall"} else json.loads(out.splitlines()[-1])
    return {name: float({"wall": wall, **printed}[name]) for name in contender.figures}


def output(command: Sequence[str], places: Places, **environment: str) -> str:
    """Run a program in the project's folder and return its standard output; FailedError has its last line."""
    done = subprocess.run(
        command, cwd=PROJECT, env=places.environment(**environment), capture_output=True, text=True, check=False
    )
    if done.returncode:
        (places.work / "failed.log").write_text(done.stdout + done.stderr, encoding="utf-8")
        lines = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
        raise FailedError(lines[-1][:300])
    return done.stdout


def last_json(text: str) -> Any:
    """Return what a program printed as its last line."""
    return json.loads(text.splitlines()[-1])


def script(name: str, *arguments: object, python: str | Path = sys.executable) -> tuple[str, ...]:
    """Return the command that runs a script of this folder."""
    return (str(python), str(PROJECT / "benchmarks" / name), *map(str, arguments))


def say(line: str) -> None:
    """Print a line of progress on standard error."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)
