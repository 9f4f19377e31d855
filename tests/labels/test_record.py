"""Decisions are written down so that nothing is lost and the next run understands them."""

from __future__ import annotations

import csv
import getpass
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from support import PROJECT, clean_environment

from pipeline_lib.data.labels_file import read_decisions
from pipeline_lib.errors import PipelineError
from pipeline_lib.labels.record import check_label, digest_of, record

A, B = "a" * 64, "b" * 64


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def photos(tmp_path: Path, make_dataset: Callable[..., Path]) -> Path:
    return make_dataset(tmp_path / "photos", train={"Cans": 2, "Paper": 2}, test={"Cans": 1, "Paper": 1})


def label(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", "label", *map(str, arguments)]
    return subprocess.run(command, cwd=PROJECT, env=clean_environment(), capture_output=True, text=True, check=False)


def test_a_decision_says_what_who_and_when_and_replaces_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    assert record(file, [A, B], "Cans") == 2
    assert record(file, [A.upper().lower()], "keep") == 2
    first, second = rows(file)
    assert (first["sha256"], first["label"], first["who"]) == (A, "keep", getpass.getuser())
    assert (second["sha256"], second["label"]) == (B, "Cans")
    assert datetime.fromisoformat(first["when"]).utcoffset().total_seconds() == 0
    assert read_decisions(file).labels == {A: "keep", B: "Cans"}
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]


def test_what_else_is_in_the_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(f"note,sha256,label,who,when\nblurred,{A.upper()},Cans,Ann,then\n,{B},keep,,\n", encoding="utf-8")
    record(file, [A], "remove")
    first, second = rows(file)
    assert (first["note"], first["label"], first["sha256"]) == ("blurred", "remove", A)
    assert second == {"note": "", "sha256": B, "label": "keep", "who": "", "when": ""}


def test_a_file_that_is_wrong_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("sha256,label\n", encoding="utf-8")
    with pytest.raises(PipelineError, match="column who is missing"):
        record(file, [A], "keep")
    assert file.read_text(encoding="utf-8") == "sha256,label\n"
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]


def test_people_who_decide_at_a_time_lose_nothing(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from pipeline_lib.labels.record import record\n"
    code += "for n in range(20): record(Path(sys.argv[1]), [f'{20 * int(sys.argv[2]) + n:064x}'], 'keep')"
    command = [sys.executable, "-c", code, str(tmp_path / "labels.csv")]
    writers = [subprocess.Popen([*command, str(number)], cwd=PROJECT) for number in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(read_decisions(tmp_path / "labels.csv").rows) == 60


def test_a_photograph_is_named_by_path_or_digest(photos: Path) -> None:
    path = photos / "train/Cans/0.png"
    assert digest_of(str(path)) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest_of(A.upper()) == A
    with pytest.raises(PipelineError, match="There is no photograph 'train/Cans/9"):
        digest_of("train/Cans/9.png")


@pytest.mark.parametrize("packed", [False, True])
def test_a_class_that_the_dataset_does_not_have_is_refused(photos: Path, tmp_path: Path, packed: bool) -> None:
    dataset = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", photos)) if packed else photos
    for allowed in ("Cans", "Paper", "keep", "remove"):
        check_label(allowed, dataset)
    with pytest.raises(PipelineError, match=r"the dataset has no class 'cans': did you mean Cans\?"):
        check_label("cans", dataset)


def test_the_command_says_what_it_recorded_and_where(photos: Path) -> None:
    path = photos / "train/Cans/0.png"
    done = label(path, A, "--as", "Paper", "--dataset", photos)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{path}: Paper",
        f"{A}: Paper",
        f"recorded in {photos}/labels.csv, which has 2 decisions; the next run uses it",
    ]
    assert read_decisions(photos / "labels.csv").labels == {digest_of(str(path)): "Paper", A: "Paper"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train/none.png", "--as", "keep", "--dataset", "PHOTOS"], "There is no photograph 'train/none.png'"),
        ([A, "--as", "Pappe", "--dataset", "PHOTOS"], "no class 'Pappe': did you mean Paper?"),
        ([A, "--as", "keep", "--dataset", "nowhere"], "There is no dataset 'nowhere'"),
        ([A, "--as", "keep", "--dataset", "sample"], "The embedded sample takes no decisions"),
    ],
)
def test_a_wrong_command_records_nothing(photos: Path, arguments: list[str], said: str) -> None:
    done = label(*(photos if each == "PHOTOS" else each for each in arguments))
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert not (photos / "labels.csv").exists()
