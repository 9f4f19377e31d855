"""``garbage models``, ``promote``, ``rollback`` and ``compare`` say in one sentence what they cannot do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["promote", "abc"], "There is no kept model of the flow garbage-finetune whose key begins with abc"),
        (["rollback"], "The flow garbage-finetune has no champion yet; garbage run appoints the first one"),
        (["compare", "abc", "def"], "There is no kept model of the flow garbage-finetune whose key begins with abc"),
    ],
)
def test_where_there_is_no_model_one_sentence_says_so(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    ended = CliRunner().invoke(main, [*arguments, "--artifacts", str(tmp_path)])
    assert ended.exit_code == 1
    assert ended.stderr.startswith(f"error {sentence}")
    assert len(ended.stderr.splitlines()) == 1


def test_no_models_are_an_empty_list(tmp_path: Path) -> None:
    ended = CliRunner().invoke(main, ["models", "--json", "--artifacts", str(tmp_path)])
    assert json.loads(ended.stdout) == {"models": []}
    assert "There is no such model; garbage run trains one." in ended.stderr
