"""What stages show, found by their names, and what the keys of that reach."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import PROJECT

from pipeline_lib.evaluation.scores import FIGURES
from pipeline_lib.reporting.pages.report import artifact_of
from pipeline_lib.reporting.shown import default
from pipeline_lib.stages.key import plan
from pipeline_lib.stages.reach import reach
from pipeline_lib.stages.result import Ref
from pipeline_lib.stages.root import ARTIFACTS
from pipeline_lib.stages.run import Run
from pipeline_lib.stages.store import Store
from tasks.contract.publish import find_exhibit

MODULES = sorted(file.stem for file in (PROJECT / "pipeline_lib/reporting/shown").glob("[!_]*.py"))
TOOK = {"seconds": 1.5, "images_per_second": None, "note": ""}


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Ref]:
    """The result of a stage that nobody has described."""
    monkeypatch.setenv(ARTIFACTS, str(tmp_path))
    planned = plan("count_words", "slot", "tasks.finetune.augment", {"words": {"most": 7}})
    return {"count_words": Store().build(planned, "first run", "run", lambda folder: {"rare_words": 12, "rows": [1]})}


def test_a_stage_without_a_description_shows_its_summary_and_its_settings(counted: dict[str, Ref]) -> None:
    assert find_exhibit(Run(), "count_words", counted).module == "pipeline_lib.reporting.shown.default"
    shown = default.show(counted)
    assert shown.title == "Count words"
    text = artifact_of(shown, TOOK)
    assert "| rare words | 12 |" in text
    assert "| words.most | 7 |" in text
    assert "1.50 s" in text


def test_a_stage_is_described_by_the_module_that_has_its_name(counted: dict[str, Ref]) -> None:
    assert find_exhibit(Run(), "train", counted).module == "pipeline_lib.reporting.shown.train"
    decorated = [re.findall(r'@stage\("(\w+)"', file.read_text(encoding="utf-8")) for file in (PROJECT / "tasks").rglob("*.py")]
    assert set(MODULES) == {"default"} | {name for names in decorated for name in names}


@pytest.mark.parametrize("module", MODULES)
def test_what_a_stage_shows_depends_on_no_other_stage_and_no_page(module: str) -> None:
    files = list(reach(f"pipeline_lib.reporting.shown.{module}").files)
    assert [file for file in files if "/shown/" in file] == [f"pipeline_lib/reporting/shown/{module}.py"]
    assert not [file for file in files if "templates" in file or file.endswith("reporting/pages/report.py")]
    assert any("evaluation/" in file for file in files if "figures" not in file) == (
        module in ("cross_validate", "evaluate", "nights", "promote")
    )


def test_a_figure_is_there_once_and_figures_of_one_table_are_side_by_side() -> None:
    keys, tables = [figure.key for figure in FIGURES], [figure.table for figure in FIGURES]
    assert len(set(keys)) == len(keys)
    assert sorted(tables, key=tables.index) == tables
    assert {figure.beside for figure in FIGURES} <= {"", *keys}
