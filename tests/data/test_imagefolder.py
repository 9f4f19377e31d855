"""A dataset is found in the layouts that are promised, and whatever cannot be learned from gets one sentence."""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.data.imagefolder import ImageFolder, scan, set_test_aside
from pipeline_lib.errors import PipelineError


def touch(root: Path, *names: str) -> Path:
    """Make empty files: finding them opens none."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


BOTH = ("train/Cans/1.jpg", "train/Paper/1.jpg", "test/Cans/9.jpg", "test/Paper/9.jpg")


def names(folder: ImageFolder) -> list[str]:
    return [path.relative_to(folder.root).as_posix() for path in folder.files]


@pytest.mark.parametrize("enclosing", ["", "data_en"])
def test_finds_train_and_test_in_the_folder_or_in_the_only_one_inside(tmp_path: Path, enclosing: str) -> None:
    touch(tmp_path / enclosing, *BOTH)
    found = scan(tmp_path)
    assert (found.root, found.flat) == (tmp_path / enclosing, False)
    assert list(found.train) == ["Cans", "Paper"]
    assert names(found) == list(BOTH)


def test_a_dataset_may_have_no_test(tmp_path: Path) -> None:
    found = scan(touch(tmp_path, "train/Cans/1.jpg", "train/Paper/1.jpg"))
    assert found.test is None
    assert names(found) == ["train/Cans/1.jpg", "train/Paper/1.jpg"]


@pytest.mark.parametrize("enclosing", ["", "photos"])
def test_bare_class_folders_are_all_train(tmp_path: Path, enclosing: str) -> None:
    touch(tmp_path / enclosing, "Cans/1.jpg", "Cans/more/2.jpg", "Paper/1.jpg")
    found = scan(tmp_path)
    assert (found.flat, found.test) == (True, None)
    assert names(found) == ["Cans/1.jpg", "Cans/more/2.jpg", "Paper/1.jpg"]
    assert found.within_class(found.train["Cans"][1]) == Path("more/2.jpg")


def test_searches_all_folders_below_a_class_in_file_name_order(tmp_path: Path) -> None:
    found = scan(touch(tmp_path, "train/B/b.jpg", "train/B/a/2.jpg", "train/B/a/1/3.jpg", "train/B/a.jpg", "train/A/1.jpg"))
    assert names(found) == ["train/A/1.jpg", "train/B/a/1/3.jpg", "train/B/a/2.jpg", "train/B/a.jpg", "train/B/b.jpg"]
    assert found.within_class(found.train["B"][0]) == Path("a/1/3.jpg")


def test_passes_over_hidden_and_system_files(tmp_path: Path) -> None:
    touch(tmp_path, *BOTH, "train/.git/1.jpg", "train/Cans/.DS_Store", "train/Cans/Thumbs.db", "__MACOSX/train/Cans/1.jpg")
    touch(tmp_path, "train/Cans/@eaDir/1.jpg", "train/Cans/.hidden/1.jpg", ".venv/x")
    assert names(scan(tmp_path)) == list(BOTH)


def test_follows_links_but_not_in_circles(tmp_path: Path) -> None:
    elsewhere = touch(tmp_path / "elsewhere", "1.jpg", "more/2.jpg")
    root = touch(tmp_path / "data", "train/Paper/1.jpg", "train/Cans/a.jpg")
    (root / "train/Cans/linked.jpg").symlink_to(elsewhere / "1.jpg")
    (root / "train/Cans/folder").symlink_to(elsewhere, target_is_directory=True)
    (elsewhere / "back").symlink_to(root / "train/Cans", target_is_directory=True)
    (elsewhere / "self").symlink_to(elsewhere, target_is_directory=True)
    assert names(scan(root)) == [
        "train/Cans/a.jpg",
        "train/Cans/folder/1.jpg",
        "train/Cans/folder/more/2.jpg",
        "train/Cans/linked.jpg",
        "train/Paper/1.jpg",
    ]


def test_lists_dangling_links_but_no_pipes(tmp_path: Path) -> None:
    touch(tmp_path, "train/Cans/1.jpg", "train/Paper/1.jpg")
    (tmp_path / "train/Cans/gone.jpg").symlink_to(tmp_path / "gone")
    (tmp_path / "train/Cans/self.jpg").symlink_to(tmp_path / "train/Cans/self.jpg")
    os.mkfifo(tmp_path / "train/Cans/pipe.jpg")
    (tmp_path / "train/Cans/linked.jpg").symlink_to(tmp_path / "train/Cans/pipe.jpg")
    assert names(scan(tmp_path)) == [
        "train/Cans/1.jpg",
        "train/Cans/gone.jpg",
        "train/Cans/self.jpg",
        "train/Paper/1.jpg",
    ]


def test_says_what_it_ignores(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, *BOTH, "valid/Cans/1.jpg", "train/labels.csv")
    (tmp_path / "train/self").symlink_to(tmp_path / "train/self")
    with caplog.at_level(logging.WARNING):
        assert names(scan(tmp_path)) == list(BOTH)
    assert "beside train and test are ignored: valid" in caplog.text
    assert "no class folder are ignored: 2, first labels.csv" in caplog.text


def test_one_class_written_in_two_unicode_forms_is_one_class(tmp_path: Path) -> None:
    found = scan(touch(tmp_path, "train/Caf\u00e9/1.jpg", "train/Paper/1.jpg", "test/Cafe\u0301/1.jpg", "test/Paper/1.jpg"))
    assert list(found.train) == list(found.test or {}) == ["Caf\u00e9", "Paper"]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ([], "has no folder train/.*found: no folders"),
        (["1.jpg", "2.jpg"], "has no folder train/"),
        (["Train/Cans/1.jpg", "Train/Paper/1.jpg", "Test/Cans/1.jpg"], r"has no folder train/.*found: Test, Train"),
        (["test/Cans/1.jpg", "test/Paper/1.jpg"], "has no folder train/.*found: test"),
        (["one/train/Cans/1.jpg", "two/train/Cans/1.jpg"], "has no folder train/.*found: one, two"),
        (["Cans/1.jpg", "Test/1.jpg"], "has no folder train/.*found: Cans, Test"),
        (["Cans/1.jpg", "Paper/more/1.jpg"], "has no folder train/.*found: Cans, Paper"),
        (["train/Cans/1.jpg", "train/Paper/.hidden"], r"Class Paper of .* is empty \(train/Paper\)"),
        ([*BOTH[:3], "test/Paper/.hidden"], r"Class Paper of .* is empty \(test/Paper\)"),
        (["train/Cans/1.jpg"], r"at least two classes.*\(Cans\)"),
        (["train/1.jpg"], r"at least two classes.*\(none\)"),
        ([*BOTH, "train/Hats/1.jpg"], r"different classes \(only in train: Hats\)"),
        ([*BOTH, "test/Hats/1.jpg", "test/Broom/1.jpg"], r"different classes \(only in test: Broom, Hats\)"),
        ([*BOTH[:3], "test/Hats/1.jpg"], r"different classes \(only in train: Paper; only in test: Hats\)"),
        ([*BOTH, "train/cans/1.jpg"], "Classes Cans and cans of .* differ only in letter case"),
        ([*BOTH[:3], "test/paper/1.jpg"], "Classes Paper and paper of .* differ only in letter case"),
        ([*BOTH, "train/a\nb/1.jpg"], r"'a\\nb' of .* cannot be shown"),
    ],
)
def test_says_what_is_no_dataset(tmp_path: Path, files: list[str], sentence: str) -> None:
    with pytest.raises(PipelineError, match=sentence) as caught:
        scan(touch(tmp_path, *files))
    assert str(tmp_path) in str(caught.value)
    with pytest.raises(PipelineError, match=sentence) as caught:
        scan(tmp_path, label="photos.zip")
    assert "photos.zip" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_says_a_class_name_that_is_no_text(tmp_path: Path) -> None:
    touch(tmp_path, *BOTH[:2])
    Path(os.fsdecode(bytes(tmp_path) + b"/train/\xff")).mkdir()
    touch(tmp_path, os.fsdecode(b"train/\xff/1.jpg"))
    with pytest.raises(PipelineError, match="cannot be shown"):
        scan(tmp_path)


def test_says_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="missing cannot be read: No such file"):
        scan(tmp_path / "missing")


def make_deep(top: Path, folder: str, levels: int) -> None:
    """Make folders one in the other, more than a path can name at once."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(folder, dir_fd=here)  # a Path has no folder to start from
        here, above = os.open(folder, os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(here)


def test_a_path_that_the_system_refuses_is_quoted_in_part_with_the_right_advice(tmp_path: Path) -> None:
    make_deep(touch(tmp_path, *BOTH) / "train/Cans", "folder", 1100)
    try:
        with pytest.raises(PipelineError, match=r"cannot be read: File name too long; give it a shorter name") as caught:
            scan(tmp_path)
        assert str(tmp_path) in str(caught.value)
        assert len(str(caught.value)) < 400
    finally:
        subprocess.run(["rm", "-r", tmp_path / "train"], check=True)  # pytest's own clean-up stumbles over it


@given(count=st.integers(2, 500), share=st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_the_tail_becomes_test_and_both_sides_keep_something(count: int, share: float) -> None:
    items = list(range(count))
    train, test = set_test_aside(items, share)
    assert train + test == items
    assert train
    assert test
    assert len(test) in (1, count - 1) or abs(len(test) - share * count) <= 0.5


def test_a_fifth_of_ten_is_two() -> None:
    assert set_test_aside(range(10), 0.2) == ([0, 1, 2, 3, 4, 5, 6, 7], [8, 9])
