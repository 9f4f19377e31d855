"""The snapshot of the project's files: a process runs the code that it began with."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_lib.stages import snapshot


@pytest.fixture
def laboratory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package ``laboratory`` whose snapshot was taken when it said "old"; it can be imported."""
    package = tmp_path / "laboratory"
    (package / "inner").mkdir(parents=True)
    for name in ("__init__.py", "inner/__init__.py"):
        (package / name).write_text("")
    edit(package, "old")
    taken = snapshot.Snapshot(tmp_path, ["laboratory"])
    monkeypatch.setattr(sys, "meta_path", [taken, *sys.meta_path])
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == "laboratory"]:
        del sys.modules[name]


def edit(package: Path, word: str) -> None:
    """Write a module, one in a package inside, and a data file, all of one size and one date."""
    for name in ("late.py", "inner/later.py"):
        (package / name).write_text(f"def said():\n    return '{word}'\n")
        os.utime(package / name, (1, 1))
    (package / "text.txt").write_text(word)


def test_a_module_imported_after_an_edit_is_the_one_of_the_snapshot(laboratory: Path) -> None:
    edit(laboratory, "new")
    assert importlib.import_module("laboratory.late").said() == "old"
    assert importlib.import_module("laboratory.inner.later").said() == "old"


def test_the_source_of_a_module_is_that_of_the_snapshot_whatever_is_on_disk(laboratory: Path) -> None:
    said = importlib.import_module("laboratory.late").said
    edit(laboratory, "new")
    assert "old" in inspect.getsource(said)  # MindSpore compiles this
    (laboratory / "late.py").unlink()
    assert "old" in inspect.getsource(said)


def test_data_files_are_those_of_the_snapshot(laboratory: Path) -> None:
    edit(laboratory, "new")
    assert pkgutil.get_data("laboratory", "text.txt") == b"old"


def test_a_compiled_file_of_other_content_is_not_used_though_size_and_date_agree(
    laboratory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert importlib.import_module("laboratory.late").said() == "old"
    compiled = Path(sys.modules.pop("laboratory.late").__cached__)
    assert compiled.is_file()
    edit(laboratory, "new")
    monkeypatch.setattr(sys, "meta_path", [snapshot.Snapshot(laboratory.parent, ["laboratory"]), *sys.meta_path])
    assert importlib.import_module("laboratory.late").said() == "new"


def test_the_modules_of_the_project_come_from_the_snapshot_of_the_process() -> None:
    from pipeline_lib import errors
    from tasks.contract import locks

    assert {type(module.__spec__.loader).__module__ for module in (errors, locks)} == {"pipeline_lib.stages.snapshot"}
