"""The code a stage reaches: what counts as a change, and which modules and libraries are reached."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import PROJECT

from pipeline_lib.errors import PipelineError
from pipeline_lib.stages import reach as code
from pipeline_lib.stages.snapshot import Snapshot

SOURCE = '''
"""A module."""
import numpy
from pipeline_lib import shapes
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline_lib.augment import augment


def double(x):
    """Double."""
    # twice
    return 2 * x
'''


@pytest.fixture
def reach(tmp_path: Path):
    """What ``tasks/edited.py`` reaches, with the given source, in a project of a few modules."""
    for module in ("__init__", "shapes", "augment", "deep/__init__", "deep/leaf"):
        write(tmp_path / "pipeline_lib" / f"{module}.py", "X = 1\n")
    for module in ("__init__", "helper"):
        write(tmp_path / "tasks" / f"{module}.py", "X = 1\n")

    def reached(source: str, module: str = "tasks.edited") -> code.Reach:
        write(tmp_path / f"{module.replace('.', '/')}.py", source)
        return code.reach(module, snapshot=Snapshot(tmp_path))

    return reached


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def digest(reach):
    return lambda source: reach(source).files["tasks/edited.py"]


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
    files = code.reach("tasks.finetune.augment").files
    assert {
        "tasks/finetune/augment.py",
        "pipeline_lib/views/augment.py",
        "pipeline_lib/images/read.py",
        "pipeline_lib/views/view.py",
    } <= files.keys()
    assert "pipeline_lib/reporting/pages/report.py" not in files


def test_templates_count_as_code_of_the_package_they_belong_to() -> None:
    assert "pipeline_lib/reporting/pages/templates/report.html.j2" in code.reach("tasks.finetune.report").files


def test_settings_and_the_machinery_that_keeps_results_are_not_a_stages_code() -> None:
    assert (
        not {"pipeline_lib/settings/sections.py", "pipeline_lib/stages/store.py", "tasks/contract/stage.py"}
        & code.reach("tasks.finetune.augment").files.keys()
    )


def reached_beside(files: dict[str, str]) -> set[str]:
    return set(files) - {"tasks/__init__.py", "tasks/edited.py", "pipeline_lib/__init__.py"}


def test_imports_for_type_checkers_do_not_count(reach) -> None:
    assert reached_beside(reach(SOURCE).files) == {"pipeline_lib/shapes.py"}


@pytest.mark.parametrize(
    "statement",
    [
        "from .helper import X",
        "from . import helper",
        "from tasks.helper import X",
        "import tasks.helper as h",
        "from importlib import import_module\nimport_module('tasks.helper')",
        "import importlib\ndef f():\n    importlib.import_module('tasks.helper').X()",
        "__import__('tasks.helper')",
        "if not TYPE_CHECKING:\n    import tasks.helper",
        "if typing.TYPE_CHECKING:\n    pass\nelse:\n    import tasks.helper",
        "if not typing.TYPE_CHECKING:\n    pass\nelif x:\n    pass\nimport tasks.helper",
        "if TYPE_CHECKING or DEBUG:\n    import tasks.helper",
        "try:\n    import tasks.helper\nexcept ImportError:\n    pass",
        "match x:\n    case 1:\n        import tasks.helper",
    ],
)
def test_every_way_to_import_a_module_of_the_project_is_followed(reach, statement: str) -> None:
    assert reached_beside(reach(statement).files) == {"tasks/helper.py"}


def test_relative_imports_count_from_the_package_they_are_in(reach, tmp_path: Path) -> None:
    write(tmp_path / "pipeline_lib" / "deep" / "__init__.py", "from .leaf import X\nfrom .. import shapes")
    write(tmp_path / "pipeline_lib" / "deep" / "leaf.py", "from ..augment import Y")
    leaves = {"pipeline_lib/deep/__init__.py", "pipeline_lib/deep/leaf.py"}
    others = {"pipeline_lib/shapes.py", "pipeline_lib/augment.py"}
    assert reached_beside(reach("import pipeline_lib.deep").files) == leaves | others


@pytest.mark.parametrize(
    "statement",
    ["if TYPE_CHECKING:\n    import tasks.helper", "if not TYPE_CHECKING:\n    pass\nelse:\n    import tasks.helper"],
)
def test_what_only_a_type_checker_sees_is_not_followed(reach, statement: str) -> None:
    assert reached_beside(reach(statement).files) == set()


@pytest.mark.parametrize(
    "statement",
    [
        "import importlib\nimportlib.import_module(name)",
        "from importlib import import_module\nimport_module(f'tasks.{name}')",
        "from importlib import import_module as load\nload('tasks.helper')",
        "import importlib\nload = importlib.import_module",
        "import_module('.helper', package=__package__)",
        "__import__(name)",
        "exec(text)",
        "eval(text)",
        "import runpy\nrunpy.run_path('tasks/helper.py')",
        "from importlib.util import spec_from_file_location\nspec_from_file_location('x', 'tasks/helper.py')",
    ],
)
def test_an_import_that_cannot_be_followed_is_refused_with_its_line(reach, statement: str) -> None:
    line = len(statement.splitlines()) if "as load" not in statement else 1
    with pytest.raises(PipelineError, match=rf"tasks/edited.py, line {line}, imports or runs code in a way that cannot"):
        reach(statement)


def test_a_module_outside_of_the_project_is_refused(reach, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "aside" / "strays_of_mine.py", "")
    monkeypatch.syspath_prepend(str(tmp_path / "aside"))
    with pytest.raises(PipelineError, match="imports strays_of_mine, which is neither"):
        reach("import strays_of_mine")


def test_a_library_that_is_not_installed_does_not_count(reach) -> None:
    assert reach("import no_such_library_anywhere").libraries == {}


STAGES = sorted(
    f"tasks.{path.relative_to(PROJECT / 'tasks').with_suffix('').as_posix().replace('/', '.')}"
    for path in (PROJECT / "tasks").rglob("*.py")
    if "@stage(" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("module", [*STAGES, "pipeline_lib.reporting.shown.evaluate"])
def test_the_code_of_every_stage_can_be_followed(module: str) -> None:
    assert len(code.reach(module).files) > 3
    kept_out = tuple(f"{name.replace('.', '/')}" for name in code.NOT_COMPUTING)
    assert not [file for file in code.reach(module).files if file.startswith(kept_out)]


def test_libraries_are_named_as_they_are_installed_with_their_versions() -> None:
    libraries = code.reach("tasks.finetune.augment").libraries
    assert libraries["numpy"].startswith("1.")
    assert "pillow" in libraries
    assert "prefect" not in libraries


def test_what_is_remembered_of_files_changes_no_answer(tmp_path: Path) -> None:
    fresh = code.reach("tasks.finetune.report")
    code.reach.cache_clear()
    assert code.reach("tasks.finetune.report", tmp_path / "memory") == fresh
    (kept,) = (tmp_path / "memory").iterdir()
    for content in (kept.read_text(), "{ damaged"):
        kept.write_text(content)
        code.reach.cache_clear()
        assert code.reach("tasks.finetune.report", tmp_path / "memory") == fresh
    code.reach.cache_clear()
    assert "damaged" not in kept.read_text()  # written anew


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_depends_on_how_files_are_downloaded(stage: str) -> None:
    """A source is identified by its fingerprint, weights and packages by pinned digests."""
    reached = code.reach(stage)
    assert not {"pipeline_lib/files/fetch.py", "pipeline_lib/files/packages.py"} & reached.files.keys()
    assert not {"httpx", "stamina", "filelock"} & reached.libraries.keys()


@pytest.mark.parametrize("stage", ["tasks.finetune.features", "tasks.finetune.train", "tasks.finetune.evaluate"])
def test_what_reads_a_backbone_or_a_head_reaches_nothing_that_makes_one(stage: str) -> None:
    reached = code.reach(stage)
    assert not [file for file in reached.files if file.startswith("pipeline_lib/weights/")]
    assert "h5py" not in reached.libraries


def test_a_module_counts_once_it_holds_more_than_a_docstring(reach, tmp_path: Path) -> None:
    write(tmp_path / "pipeline_lib" / "shapes.py", '"""Nothing yet."""')
    assert "pipeline_lib/shapes.py" not in reach("from pipeline_lib import shapes").files
    write(tmp_path / "pipeline_lib" / "shapes.py", '"""Something."""\nX = 1')
    code.reach.cache_clear()
    assert "pipeline_lib/shapes.py" in reach("from pipeline_lib import shapes").files
