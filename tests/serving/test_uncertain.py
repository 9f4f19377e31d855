"""Photographs are kept where somebody has asked for it, those whose answer is not sure, and nothing else of their sender."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from served import serving
from support import CommandLine
from waiting import PATIENCE

from pipeline_lib.errors import PipelineError
from pipeline_lib.serving.uncertain import TABLE, Uncertain
from pipeline_lib.serving.uploads import Upload


def read(folder: Path) -> list[dict[str, str]]:
    with (folder / TABLE).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def row(sure: bool) -> dict[str, object]:
    return {"image": "x", "class": "Cans", "probability": 0.4, "bin": None, "noise": 1.5, "top": [], "sure": sure}


def test_a_server_keeps_what_it_is_not_sure_of_and_what_it_answered(
    line: CommandLine, photographs: list[Path], tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    with serving(line, "--sure", "1", "--keep-uncertain", kept) as address:
        assert httpx.get(f"{address}/page.json", timeout=PATIENCE).json()["keeps"] is True
        files = [("photograph", (f"of a person {path.name}", path.read_bytes())) for path in photographs[:2]]
        files.append(("photograph", ("broken.png", b"no picture")))
        for _ in range(2):
            answer = httpx.post(f"{address}/predict", files=files, timeout=PATIENCE).json()
    names = {f"{sha256(path.read_bytes()).hexdigest()}.png": path for path in photographs[:2]}
    assert {path.name for path in kept.iterdir()} == names.keys() | {TABLE}
    assert all((kept / name).read_bytes() == path.read_bytes() for name, path in names.items())
    rows = {each["photograph"]: each for each in read(kept)}
    assert len(read(kept)) == 2
    for name, said in zip(names, answer["photographs"], strict=False):
        assert rows[name]["class"] == said["class"]
        assert float(rows[name]["probability"]) == said["probability"]
        assert rows[name]["model"] == answer["model"]
    assert "of a person" not in (kept / TABLE).read_text(encoding="utf-8")


def test_a_server_that_was_not_asked_to_keep_writes_nothing(line: CommandLine, photographs: list[Path], tmp_path: Path) -> None:
    def files() -> set[Path]:
        return {path for root in (line.artifacts, line.source) for path in root.rglob("*") if path.suffix != ".pyc"}

    before = files()
    with serving(line, "--sure", "1") as address:
        assert httpx.get(f"{address}/page.json", timeout=PATIENCE).json()["keeps"] is False
        answer = httpx.post(f"{address}/predict", content=photographs[0].read_bytes(), timeout=PATIENCE)
        assert answer.json()["photographs"][0]["sure"] is False
    assert {path for path in files() - before if path.name != "__pycache__"} == set()


def test_what_is_sure_or_no_photograph_is_not_kept(tmp_path: Path) -> None:
    uncertain = Uncertain(tmp_path)
    uncertain.keep([Upload("a.jpg", b"a"), Upload("b.jpg", b"b")], [row(True), {"image": "b", "error": "truncated"}], "m")
    assert [path.name for path in tmp_path.iterdir()] == [TABLE]
    assert read(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.JPG", ".jpg"), ("../../etc/a.png", ".png"), ("a.b/c", ""), ("a.x\ny", ""), ("a", ""), ("a.heic", ".heic")],
)
def test_a_photograph_is_called_by_its_content_whatever_its_sender_calls_it(tmp_path: Path, name: str, suffix: str) -> None:
    Uncertain(tmp_path / "kept").keep([Upload(name, b"content")], [row(False)], "m")
    assert {path.name for path in tmp_path.rglob("*")} == {"kept", TABLE, f"{sha256(b'content').hexdigest()}{suffix}"}


def test_several_threads_keep_each_photograph_once_and_a_new_server_goes_on(tmp_path: Path) -> None:
    uploads = [[Upload("a.png", bytes([number % 10]))] for number in range(100)]
    for _ in range(2):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(partial(Uncertain(tmp_path).keep, rows=[row(False)], model="m"), uploads))
    assert len(list(tmp_path.iterdir())) == 11
    assert len(read(tmp_path)) == 10


def test_a_folder_that_cannot_be_written_is_reported_before_anything_is_served(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PipelineError, match=r"cannot be written: .*; name another folder"):
        Uncertain(tmp_path / "file" / "kept")
