"""The installer of `make run` and `make test`, on a project with few packages: the registry and uv are the real ones."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import PROJECT

LOCK = "requirements.lock"
PACKAGES = ("uv", "setuptools", "packaging", "colorama")
PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "small"
version = "1"
[project.scripts]
garbage = "small:main"
[tool.setuptools]
py-modules = ["small"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the installer, a module, and a lock file with a few of this project's packages."""
    folder = tmp_path / "project"
    (folder / "operation").mkdir(parents=True)
    shutil.copy2(PROJECT / "operation" / "setup", folder / "operation" / "setup")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "small.py").write_text("import packaging\n\n\ndef main() -> None:\n    print('installed')\n")
    pinned = re.split(r"\n(?=\S)", (PROJECT / "requirements-dev.lock").read_text())
    lock = "\n".join(block for block in pinned if block.partition("==")[0] in PACKAGES)
    for file in (LOCK, "requirements-dev.lock"):
        (folder / file).write_text(lock + "\n")
    return folder


def set_up(project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {"PYTHON": sys.executable, **environment}
    kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    return subprocess.run(
        ["operation/setup", LOCK], cwd=project, env={**kept, **settings}, capture_output=True, text=True, check=False
    )


def said(ended: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines of the installer itself, without what pip and uv say."""
    return [line for line in ended.stderr.splitlines() if line.startswith("setup: ")]


def test_it_says_what_it_does_installs_what_is_pinned_and_is_silent_once_all_is_there(project: Path) -> None:
    ended = set_up(project)
    assert ended.returncode == 0, ended.stderr
    making, packages, itself, done = said(ended)
    assert making.startswith("setup: making .venv with Python 3.")
    assert f"installing the packages of {LOCK}" in packages
    assert itself == "setup: installing the project itself ..."
    assert done == "setup: done: .venv is ready"
    installed = subprocess.run([project / ".venv/bin/garbage"], capture_output=True, text=True, check=True)
    assert installed.stdout == "installed\n"

    again = set_up(project)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_a_package_that_is_not_what_was_pinned_is_refused_and_the_next_call_installs_again(project: Path) -> None:
    lock = (project / LOCK).read_text()
    before, name, pinned = lock.partition("colorama==")
    forged = re.sub(r"sha256:\w+", f"sha256:{hashlib.sha256(b'another').hexdigest()}", pinned, count=2)
    (project / LOCK).write_text(before + name + forged)
    refused = set_up(project)
    assert refused.returncode == 1
    assert "Hash mismatch" in refused.stderr
    assert said(refused)[-1].startswith(f"setup: uv could not install {LOCK}; the lines above say why")

    (project / LOCK).write_text(lock)
    assert said(set_up(project))[-1] == "setup: done: .venv is ready"


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (
            {"PYTHON": "/nowhere/python"},
            "PYTHON=/nowhere/python is not Python 3.11 or 3.12, the only versions that this project supports",
        ),
        ({"PIP_NO_INDEX": "1"}, "pip could not install uv; check that a package registry is reachable"),
    ],
)
def test_a_failed_installation_says_why_in_a_sentence(project: Path, environment: dict[str, str], sentence: str) -> None:
    ended = set_up(project, **environment)
    assert ended.returncode == 1
    assert sentence in said(ended)[-1]
    assert not (project / ".venv" / "bin" / "garbage").exists()
