"""What people decided about labels is read with care, and train is laid out accordingly; test never is."""

from __future__ import annotations

import csv
import hashlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.data.corrections import DECIDED, read_corrections, read_decided
from pipeline_lib.data.dataset import build_dataset
from pipeline_lib.data.decisions import KEEP, REMOVE, Decision, Decisions
from pipeline_lib.data.labels_file import read_decisions
from pipeline_lib.data.sources import resolve
from pipeline_lib.errors import PipelineError
from pipeline_lib.reporting.shown.dataset import dataset_facts
from pipeline_lib.settings.sections import DataSettings

Make = Callable[..., Path]
HEADER = "sha256,label,who,when\n"
A, B = "a" * 64, "b" * 64


@pytest.fixture
def photos(tmp_path: Path, make_dataset: Make) -> Path:
    """Two classes, four training and two test images each, and two copies of one photograph."""
    root = make_dataset(tmp_path / "photos", train={"Cans": 4, "Paper": 4}, test={"Cans": 2, "Paper": 2})
    shutil.copy(root / "train/Cans/3.png", root / "train/Cans/copy.png")
    return root


def decide(root: Path, **labels: str) -> None:
    """Decide on photographs by their path within the folder, ``train__Cans__0="Paper"``."""
    paths = {root / f"{name.replace('__', '/')}.png": label for name, label in labels.items()}
    rows = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()},{label},me,now\n" for path, label in paths.items())
    (root / "labels.csv").write_text(HEADER + rows, encoding="utf-8")


def build(root: Path, folder: Path) -> dict[str, Any]:
    shutil.rmtree(folder, ignore_errors=True)
    source = resolve(str(root), downloads=folder)
    return build_dataset(folder, source, DataSettings(), downloads=folder, decisions=source.decisions)


def placed(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_train_is_laid_out_as_decided_and_what_was_removed_is_listed(photos: Path, tmp_path: Path) -> None:
    delivered = build(photos, tmp_path / "delivered")
    decide(photos, train__Cans__0="Paper", train__Cans__1=REMOVE, train__Cans__2=KEEP)
    summary = build(photos, tmp_path / "result")
    before, after = placed(tmp_path / "delivered"), placed(tmp_path / "result")
    assert set(before) - set(after) == {"train/Cans/0.png", "train/Cans/1.png"}
    assert set(after) - set(before) == {"train/Paper/Cans-0.png"}  # its name says where it came from
    assert (tmp_path / "result/train/Paper/Cans-0.png").read_bytes() == (photos / "train/Cans/0.png").read_bytes()
    assert table(tmp_path / "result/set_aside.csv") == [{"path": "train/Cans/1.png", "reason": "removed by labels.csv"}]
    assert summary["set_aside"]["count"] == 0
    counts = {"decisions": 3, "relabelled": 1, "removed": 1, "test_corrected": 0, "kept": 1, "without_image": 0}
    assert summary["labels"] == counts
    assert summary["counts"]["train"] == {"Cans": 3, "Paper": 5}
    assert delivered["counts"]["train"] == {"Cans": 5, "Paper": 4}
    assert dataset_facts(summary)["train images removed"] == 1


def test_test_images_are_never_moved_and_their_corrections_are_written_down(photos: Path, tmp_path: Path) -> None:
    build(photos, tmp_path / "delivered")
    decide(photos, test__Cans__0="Paper", test__Cans__1="Cans", test__Paper__0=REMOVE, test__Paper__1=KEEP)
    build(photos, tmp_path / "result")
    assert placed(tmp_path / "result") == placed(tmp_path / "delivered")
    assert read_corrections(tmp_path / "result", ["Cans", "Paper"]) == {"test/Cans/0.png": 1, "test/Paper/0.png": None}
    assert read_corrections(tmp_path / "delivered", ["Cans", "Paper"]) == {}


def test_which_images_are_test_does_not_depend_on_decisions(photos: Path, tmp_path: Path) -> None:
    shutil.rmtree(photos / "test")
    build(photos, tmp_path / "delivered")
    decide(photos, train__Cans__0="Paper", train__Cans__1=REMOVE, train__Paper__0=REMOVE)
    build(photos, tmp_path / "result")
    in_test = [[name for name in placed(tmp_path / each) if name.startswith("test/")] for each in ("delivered", "result")]
    assert in_test[0] == in_test[1] != []


def test_all_copies_of_a_photograph_are_decided_on(photos: Path, tmp_path: Path) -> None:
    decide(photos, train__Cans__3="Paper")
    assert build(photos, tmp_path / "result")["labels"]["relabelled"] == 2
    assert read_decided(tmp_path / "result") == {"train/Paper/Cans-3.png", "train/Paper/Cans-copy.png"}
    assert {row["delivered"] for row in table(tmp_path / "result" / DECIDED)} == {"Cans"}


def test_decisions_on_an_archive_lie_beside_it_under_its_name(photos: Path, tmp_path: Path) -> None:
    decide(photos, train__Cans__0="Paper")
    (photos / "labels.csv").rename(tmp_path / "archive.labels.csv")
    archive = Path(shutil.make_archive(str(tmp_path / "archive"), "zip", photos))
    assert build(archive, tmp_path / "result")["labels"]["relabelled"] == 1
    assert "train/Paper/Cans-0.png" in placed(tmp_path / "result")


def test_decisions_on_no_image_are_counted_and_not_an_error(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    decide(photos, train__Cans__0=KEEP, train__Cans__1=KEEP)
    (photos / "train/Cans/0.png").unlink()
    with caplog.at_level(logging.WARNING):
        assert build(photos, tmp_path / "result")["labels"]["without_image"] == 1
    assert "1 of the 2 decisions of" in caplog.text


def test_a_class_keeps_a_training_image(photos: Path, tmp_path: Path) -> None:
    decide(photos, **{f"train__Paper__{number}": "Cans" for number in range(4)})
    with pytest.raises(PipelineError, match=r"leave class Paper without a training image"):
        build(photos, tmp_path / "result")


def test_an_unknown_class_is_refused_with_its_line_and_the_nearest_name(photos: Path, tmp_path: Path) -> None:
    decide(photos, train__Cans__0=KEEP, train__Cans__1="papre")
    with pytest.raises(PipelineError, match=r"labels.csv, line 3: the dataset has no class 'papre': did you mean Paper\?"):
        build(photos, tmp_path / "result")
    decide(photos, train__Cans__1="Zzzz")
    with pytest.raises(PipelineError, match=r"line 2: the dataset has no class 'Zzzz': the classes are Cans, Paper\."):
        build(photos, tmp_path / "result")


def test_a_class_called_like_a_decision_is_refused_once_there_are_decisions(photos: Path, tmp_path: Path) -> None:
    for split in ("train", "test"):
        (photos / split / "Paper").rename(photos / split / KEEP)
    build(photos, tmp_path / "result")
    decide(photos, train__Cans__0=KEEP)
    with pytest.raises(PipelineError, match="The class keep is called like a decision of"):
        build(photos, tmp_path / "result")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"sha256,label,who\n{A},Cans,me\n".encode(), "line 1: the column when is missing"),
        (HEADER.replace(",", ";").encode(), "line 1: the column sha256 is missing"),
        (b"", "line 1: the column sha256 is missing"),
        (f"{HEADER}{A},Cans,me,now\nabc,Cans,me,now\n".encode(), "line 3: 'abc' is no sha256"),
        (f"{HEADER}{A},,me,now\n".encode(), "line 2: the label is missing"),
        (f"{HEADER}{A},Cups, plates,me,now\n".encode(), "line 2: there are more cells than columns"),
        (f"{HEADER}{A},Cans,me,now\n{B},keep,,\n{A.upper()},keep,,\n".encode(), "line 4: .* 'keep', but line 2 says 'Cans'"),
        (f"{HEADER}{A},Cans,me,now\n{B},M\xfcll,me,now\n".encode("latin-1"), "line 3: the bytes are not UTF-8"),
        (HEADER.encode("utf-16"), "line 1: the bytes are not UTF-8"),
        (f'{HEADER}{A},"Cans,me,now\n{B},keep,me,now\n'.encode(), "line 3: unexpected end of data"),
    ],
)
def test_what_is_wrong_with_the_file_is_one_sentence_with_its_line(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "labels.csv"
    file.write_bytes(content)
    with pytest.raises(PipelineError, match=said) as caught:
        read_decisions(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_as_spreadsheets_save_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_bytes(f"\ufeffnote,sha256,label,who,when\r\n,{A.upper()},Mu\u0308ll ,,\r\n".encode())
    assert read_decisions(file) == Decisions(str(file), (Decision(A, "M\xfcll", 2),))


decisions = st.dictionaries(st.sampled_from([f"{number:064x}" for number in range(9)]), st.sampled_from(["Cans", KEEP, REMOVE]))


@given(decisions, decisions, st.randoms())
def test_the_fingerprint_is_of_what_was_decided_and_nothing_else(
    first: dict[str, str], second: dict[str, str], shuffled: Any
) -> None:
    def fingerprint(labels: dict[str, str], lines: list[int]) -> str:
        rows = [Decision(sha256, label, line) for (sha256, label), line in zip(labels.items(), lines, strict=True)]
        shuffled.shuffle(rows)
        return Decisions("anywhere", tuple(rows)).fingerprint

    one, other = fingerprint(first, list(range(len(first)))), fingerprint(second, list(range(5, 5 + len(second))))
    assert (one == other) == (first == second)
