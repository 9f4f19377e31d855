"""What tests use to drive the product: tiny datasets, and the command line as a person would start it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from waiting import PATIENCE

from pipeline_lib.files.digest import file_sha256
from pipeline_lib.settings.sections import TestViewSettings
from pipeline_lib.stages.kept import Kept
from pipeline_lib.stages.publishing import MANIFEST
from pipeline_lib.views.view import CLEAN, views_of

PROJECT = Path(__file__).parent.parent

# The smallest pipeline that still goes through every stage: random weights, small pictures, few epochs.
TINY = {
    "image_size": 32,
    "backbone.weights": "random",
    "backbone.width": 0.35,
    "shards.train": 2,
    "shards.test": 1,
    "augment_train.views": 1,
    "augment_test.views": 2,
    "augment_test.grid_sigmas": [0, 25],
    "augment_test.grid_angles": [0],
    "train.epochs": 4,
    "train.warmup_epochs": 1,
    "train.checkpoint_every": 1,
    "evaluate.mistakes": 2,
}

# The views of test that made-up evaluations have rows of.
TEST_VIEWS = [CLEAN, *views_of(TestViewSettings(views=2, grid_sigmas=(0, 25), grid_angles=(0, 30)))]


def photographs() -> Path:
    """The archive of real photographs that ``GARBAGE_PHOTOGRAPHS`` names; skips the test where it names none."""
    named = os.environ.get("GARBAGE_PHOTOGRAPHS")
    if not named:
        pytest.skip("GARBAGE_PHOTOGRAPHS does not name the archive of real photographs, see CONTRIBUTING.md")
    assert Path(named).is_file(), f"GARBAGE_PHOTOGRAPHS={named} is not a file"
    return Path(named)


def free_port() -> int:
    """A port that nobody has, and that the system gives to nobody: those for outgoing connections begin at 32768."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def clean_environment() -> dict[str, str]:
    """The environment without anything that leads to a user's own Prefect or results; compiled files are kept, as by `make`."""
    left_out = ("PREFECT_", "GARBAGE_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**kept, "GLOG_v": "3", "DO_NOT_TRACK": "1", "COLUMNS": "160"}


@dataclass
class Finished:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out.splitlines()[-1])

    def stage(self, name: str) -> dict[str, Any]:
        return next(row for row in self.json["stages"] if row["name"] == name)

    @property
    def statuses(self) -> dict[str, str]:
        return {row["name"]: row["status"] for row in self.json["stages"]}


@dataclass
class CommandLine:
    """``garbage`` in a process of its own, on results and sources of its own; ``within`` is a command that runs others."""

    artifacts: Path
    environment: dict[str, str]
    source: Path
    settings: dict[str, Any] = field(default_factory=lambda: dict(TINY))
    within: tuple[str, ...] = ()

    def start(self, *arguments: str | Path, **settings: Any) -> subprocess.Popen[str]:
        command = [*self.within, sys.executable, "-m", "cli.main", *map(str, arguments)]
        if arguments[0] in ("run", "status", "sweep"):
            changed = {**self.settings, **{name.replace("__", "."): value for name, value in settings.items()}}
            command += [
                f"--set={name}={json.dumps(value) if not isinstance(value, str) else value}" for name, value in changed.items()
            ]
        environment = {**self.environment, "GARBAGE_ARTIFACTS": str(self.artifacts), "PYTHONPATH": str(self.source)}
        return subprocess.Popen(
            command,
            env=environment,
            cwd=self.source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *arguments: str | Path, **settings: Any) -> Finished:
        process = self.start(*arguments, **settings)
        out, err = process.communicate(timeout=PATIENCE)
        return Finished(process.returncode, out, err)

    def run(self, dataset: Path | str, *options: str, **settings: Any) -> Finished:
        finished = self("run", "--json", "--dataset", dataset, *options, **settings)
        assert finished.code == 0, finished.err
        return finished

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.source / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) >= 1, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


def command_line(folder: Path, prefect_api: str) -> CommandLine:
    """Return the command line on an empty folder of results, and on a copy of the sources."""
    environment = {**clean_environment(), "PREFECT_API_URL": prefect_api, "PREFECT_HOME": str(folder / "prefect-home")}
    for package in ("cli", "flows", "tasks", "pipeline_lib"):
        shutil.copytree(PROJECT / package, folder / "source" / package)
    return CommandLine(folder / "artifacts", environment, folder / "source")


def link_results(artifacts: Path, target: Path) -> None:
    """Put the results of one artifacts root into another, as if they had been computed there."""
    shutil.copytree(artifacts, target, symlinks=True, copy_function=_link_or_copy)


def _link_or_copy(source: str, target: str) -> None:
    """Results are read-only and can share their content; notes and Prefect's records are written to.

    The date of a manifest is when its result was computed, and a test may change it.
    """
    if Path(source).stat().st_mode & stat.S_IWUSR or Path(source).name == MANIFEST:
        shutil.copy2(source, target)
    else:
        os.link(source, target)


def mounted(place: Path, size: str) -> Iterator[Path]:
    """A small file system at a place of its own; skips the test where none can be mounted."""
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def kept(folder: Path) -> Kept:
    """A folder as the store would hand it on: all its files with their digests."""
    return Kept(
        folder, {path.relative_to(folder).as_posix(): file_sha256(path) for path in folder.rglob("*") if path.is_file()}
    )


COLOURS = {"Battery": (200, 60, 40), "Cans": (50, 90, 200), "Paper": (230, 230, 210)}


def draw_picture(colour: tuple[int, int, int], rng: np.random.Generator, side: int = 48) -> Image.Image:
    """A blob of a class's colour on a random ground: enough for a head on random features to learn something."""
    image = Image.new("RGB", (side, side), tuple(int(value) for value in rng.integers(0, 90, 3)))
    draw = ImageDraw.Draw(image)
    x, y, radius = (int(value) for value in rng.integers(8, side - 20, 3))
    draw.ellipse((x, y, x + radius, y + radius), fill=colour)
    for _ in range(6):
        x, y = (int(value) for value in rng.integers(0, side, 2))
        draw.rectangle((x, y, x + 4, y + 4), fill=tuple(int(value) for value in rng.integers(0, 255, 3)))
    return image


def write_tiny_dataset(root: Path, train: int = 8, test: int = 3) -> Path:
    rng = np.random.default_rng(7)
    for split, count in (("train", train), ("test", test)):
        for name, colour in COLOURS.items():
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                draw_picture(colour, rng).save(folder / f"{number:03}.png")
    return root
