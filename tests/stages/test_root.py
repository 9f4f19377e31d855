"""The identity of the artifacts root."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline_lib.errors import PipelineError
from pipeline_lib.stages.root import MARKER, artifacts_root, check_root, mark_root


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(tmp_path / "artifacts"))
    return tmp_path / "artifacts"


def test_a_root_keeps_its_id_and_two_roots_differ(root: Path, tmp_path: Path) -> None:
    assert mark_root(root) == mark_root(root)
    assert mark_root(root) != mark_root(tmp_path / "other")


def test_without_a_root_or_with_an_empty_one_it_is_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GARBAGE_ARTIFACTS", "")
    assert artifacts_root() == tmp_path / "artifacts"
    monkeypatch.delenv("GARBAGE_ARTIFACTS")
    assert artifacts_root() == tmp_path / "artifacts"


def test_the_deployed_root_is_accepted_and_any_where_none_was_deployed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_root()
    monkeypatch.setenv("GARBAGE_ROOT_ID", mark_root(root))
    check_root()


@pytest.mark.parametrize(("content", "words"), [(None, "missing or empty"), ("", "missing or empty"), ("abc", "id is abc")])
def test_another_root_is_named_with_what_to_do(
    root: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, words: str
) -> None:
    monkeypatch.setenv("GARBAGE_ROOT_ID", "wanted")
    if content is not None:
        root.mkdir()
        (root / MARKER).write_text(content)
    with pytest.raises(PipelineError, match=words) as caught:
        check_root()
    assert str(root) in str(caught.value)
    assert "make deploy" in str(caught.value)
