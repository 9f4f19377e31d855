"""Which photographs are meant by one that is named, and what stays of them: a digest among the decisions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_lib.data.dataset import build_dataset
from pipeline_lib.data.labels_file import read_decisions
from pipeline_lib.data.sources import resolve
from pipeline_lib.errors import PipelineError
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.labels.forgotten import NAMED, NEAR, PIXELS, check, named, note, remove_files, with_copies
from pipeline_lib.settings.sections import DataSettings

Make = Callable[..., Path]
AUDIT = "split,class,name,sha256,pixels,phash,group,tiny,blank\n"


@pytest.fixture
def photos(tmp_path: Path, make_dataset: Make) -> Path:
    root = make_dataset(tmp_path / "photos", train={"Cans": 4, "Paper": 4}, test={"Cans": 2, "Paper": 2})
    shutil.copy(root / "train/Cans/3.png", root / "test/Paper/copy.png")
    return root


def audited(root: Path, photos: Path, **groups: int) -> None:
    """An audit's table: photographs by their path with ``__`` for slashes, and their group; 0 has the pixels of the first."""
    rows, first = "", ""
    for name, group in groups.items():
        split, label, stem = name.split("__")
        digest = file_sha256(photos / split / label / f"{stem}.png")
        first = first or digest
        rows += f"{split},{label},{stem}.png,{digest},{first if group == 0 else digest},0,{max(group, 1)},0,0\n"
    (root / "stages/audit/key").mkdir(parents=True)
    (root / "stages/audit/key/images.csv").write_text(AUDIT + rows)


def test_copies_are_those_with_the_same_bytes_the_same_pixels_and_near_ones(photos: Path, tmp_path: Path) -> None:
    audited(tmp_path, photos, train__Cans__3=1, train__Cans__0=0, train__Paper__0=1, train__Paper__1=2)
    digests = named([str(photos / "train/Cans/3.png")], photos)
    found = with_copies(tmp_path, photos, digests, near=True)
    assert [(each.why, [Path(path).relative_to(photos).as_posix() for path in each.places]) for each in found] == [
        (NAMED, ["test/Paper/copy.png", "train/Cans/3.png"]),
        (PIXELS, ["train/Cans/0.png"]),
        (NEAR, ["train/Paper/0.png"]),
    ]
    assert [each.why for each in with_copies(tmp_path, photos, digests, near=False)] == [NAMED, PIXELS]


def test_the_dataset_has_the_bytes_of_one_that_never_had_them(photos: Path, tmp_path: Path) -> None:
    built = []
    for name in ("noted", "removed"):
        root = shutil.copytree(photos, tmp_path / name / "photos")
        found = with_copies(tmp_path, root, named([str(root / "train/Cans/3.png")], root), near=True)
        if name == "noted":
            note(root, found)
        else:
            assert remove_files(root, found) == 2
        source = resolve(str(root), downloads=tmp_path)
        folder = tmp_path / f"result-{name}"
        summary = build_dataset(folder, source, DataSettings(), downloads=tmp_path, decisions=source.decisions)
        files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        built.append((files, summary))
    assert built[0] == built[1]


def test_a_command_that_removed_the_file_already_can_be_given_again(photos: Path, tmp_path: Path) -> None:
    path = photos / "train/Cans/0.png"
    digest = file_sha256(path)
    found = with_copies(tmp_path, photos, named([str(path)], photos), near=True)
    note(photos, found)
    remove_files(photos, found)
    assert named([str(path)], photos) == named([], photos) == {digest}
    check(tmp_path, photos, with_copies(tmp_path, photos, {digest}, near=True))
    assert [each.label for each in read_decisions(photos / "labels.csv").rows] == ["forget"]


def test_what_cannot_be_forgotten_is_refused_before_anything_is_removed(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="There is no photograph 'nothing'"):
        named(["nothing"], photos)
    with pytest.raises(PipelineError, match="name a photograph by its path"):
        named([], photos)
    with pytest.raises(PipelineError, match=r"No photograph of .* has the sha256 0000"):
        check(tmp_path, photos, with_copies(tmp_path, photos, {"0" * 64}, near=True))
    every = {file_sha256(path) for path in (photos / "test/Cans").iterdir()}
    with pytest.raises(PipelineError, match="Every image of test/Cans would be forgotten"):
        check(tmp_path, photos, with_copies(tmp_path, photos, every, near=True))
