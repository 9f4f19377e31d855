"""The code a stage reaches: what counts as a change, and which modules and libraries are reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline_lib import code

SOURCE = '''
"""A module."""
import numpy
from pipeline_lib import errors
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_lib.augment import augment


def double(x):
    """Double."""
    # twice
    return 2 * x
'''


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The digest of a module with the given source."""

    def digest_of(source: str) -> str:
        (tmp_path / "edited.py").write_text(source)
        code.reach.cache_clear()
        return code.reach("edited").files["edited.py"]

    monkeypatch.syspath_prepend(str(tmp_path))
    yield digest_of
    code.reach.cache_clear()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# twice", "# two times"),
        ('"""Double."""', '"""Twice as much."""'),
        ('"""A module."""', ""),
        ("2 * x", "2  *  x"),
        ("\n\n\ndef", "\n\ndef"),
    ],
)
def test_comments_docstrings_and_layout_change_nothing(digest, old: str, new: str) -> None:
    assert digest(SOURCE) == digest(SOURCE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"), [("2 * x", "3 * x"), ("double", "twice"), ("import numpy", "import PIL"), ('"""Double."""', "x += 1")]
)
def test_code_changes_the_digest(digest, old: str, new: str) -> None:
    assert digest(SOURCE) != digest(SOURCE.replace(old, new))


def test_modules_are_reached_through_imports_and_imports_of_imports() -> None:
    files = code.reach("tasks.augment").files
    assert {
        "tasks/augment.py",
        "pipeline_lib/augment.py",
        "pipeline_lib/data/image.py",
        "pipeline_lib/views.py",
    } <= files.keys()
    assert "pipeline_lib/reporting/report.py" not in files


def test_templates_count_as_code_of_the_package_they_belong_to() -> None:
    assert "pipeline_lib/reporting/templates/report.html.j2" in code.reach("tasks.report").files


def test_settings_and_the_machinery_that_keeps_results_are_not_a_stages_code() -> None:
    assert (
        not {"pipeline_lib/settings.py", "pipeline_lib/stages.py", "tasks/stage.py"} & code.reach("tasks.augment").files.keys()
    )


def test_imports_for_type_checkers_do_not_count(digest) -> None:
    digest(SOURCE)
    assert set(code.reach("edited").files) == {"edited.py", "pipeline_lib/__init__.py", "pipeline_lib/errors.py"}


def test_libraries_are_named_as_they_are_installed_with_their_versions() -> None:
    libraries = code.reach("tasks.augment").libraries
    assert libraries["numpy"].startswith("1.")
    assert "pillow" in libraries
    assert "prefect" not in libraries


def test_what_is_remembered_of_files_changes_no_answer(tmp_path: Path) -> None:
    fresh = code.reach("tasks.report")
    code.reach.cache_clear()
    assert code.reach("tasks.report", tmp_path / "memory") == fresh
    (kept,) = (tmp_path / "memory").iterdir()
    for content in (kept.read_text(), "{ damaged"):
        kept.write_text(content)
        code.reach.cache_clear()
        assert code.reach("tasks.report", tmp_path / "memory") == fresh
    code.reach.cache_clear()
    assert "damaged" not in kept.read_text()  # written anew


STAGES = [f"tasks.{name}" for name in ("dataset", "backbone", "engine", "features", "train", "evaluate", "lenet.dataset")]


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_depends_on_how_files_are_downloaded(stage: str) -> None:
    """A source is identified by its fingerprint, weights and packages by pinned digests."""
    reached = code.reach(stage)
    assert not {"pipeline_lib/files/fetch.py", "pipeline_lib/files/packages.py"} & reached.files.keys()
    assert not {"httpx", "stamina", "filelock"} & reached.libraries.keys()


@pytest.mark.parametrize("stage", ["tasks.features", "tasks.train", "tasks.evaluate"])
def test_what_loads_a_backbone_reaches_nothing_that_makes_one(stage: str) -> None:
    reached = code.reach(stage)
    assert "pipeline_lib/models/backbone.py" in reached.files
    assert not {f"pipeline_lib/models/{name}.py" for name in ("pretrained", "sources", "weights_keras")} & reached.files.keys()
    assert "h5py" not in reached.libraries
