"""The dataset stage lays out what is usable, names what is not, and stops where it would mislead."""

from __future__ import annotations

import csv
import hashlib
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from loopback import Site
from PIL import Image
from support import photographs

from pipeline_lib.data.dataset import build_dataset
from pipeline_lib.data.layout import unique_names
from pipeline_lib.data.source import Source
from pipeline_lib.data.sources import resolve
from pipeline_lib.errors import PipelineError
from pipeline_lib.files.fetch import download
from pipeline_lib.progress import Progress, ignore_progress
from pipeline_lib.reporting.shown.dataset import dataset_facts
from pipeline_lib.settings.sections import DataSettings

Make = Callable[..., Path]


@pytest.fixture
def photos(tmp_path: Path, make_dataset: Make) -> Path:
    """Two classes, ten training and two test images each."""
    return make_dataset(tmp_path / "photos", train={"Cans": 10, "Paper": 10}, test={"Cans": 2, "Paper": 2})


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Build ``tmp_path/result`` from a name, a path or a source."""

    def built(dataset: str | Path | Source, progress: Progress = ignore_progress, **data: Any) -> dict[str, Any]:
        downloads = tmp_path / "downloads"
        source = dataset if isinstance(dataset, Source) else resolve(str(dataset), downloads=downloads)
        return build_dataset(tmp_path / "result", source, DataSettings(**data), downloads=downloads, progress=progress)

    return built


Build = Callable[..., dict[str, Any]]


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def pack(folder: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(folder.rglob("*")):
            packed.write(path, f"data_en/{path.relative_to(folder).as_posix()}")
    return archive


def test_copies_every_image_unchanged_and_lists_it(photos: Path, build: Build, tmp_path: Path) -> None:
    summary = build(photos)
    result = files(tmp_path / "result")
    images = {name: content for name, content in result.items() if name.endswith(".png")}
    assert images == files(photos)
    assert set(result) - set(images) == {"images.csv", "set_aside.csv", "decisions/decided.csv", "decisions/test.csv"}
    rows = table(tmp_path / "result/images.csv")
    assert {f"{row['split']}/{row['class']}/{row['name']}" for row in rows} == set(images) == {row["source"] for row in rows}
    assert {(row["width"], row["height"], row["mode"], row["format"]) for row in rows} == {("12", "8", "RGB", "PNG")}
    assert summary == {
        "name": "photos",
        "kind": "folder",
        "synthetic": False,
        "classes": ["Cans", "Paper"],
        "counts": {"train": {"Cans": 10, "Paper": 10}, "test": {"Cans": 2, "Paper": 2}},
        "set_aside": {"count": 0, "first": []},
        "labels": dict.fromkeys(["decisions", "relabelled", "removed", "test_corrected", "kept", "without_image"], 0),
        "test_split": "given",
        "archive_sha256": None,
        "bytes": sum(len(content) for content in images.values()),
        "names_read_as": "",
    }


def test_class_names_that_windows_packed_in_chinese_are_class_names(photos: Path, build: Build, tmp_path: Path) -> None:
    archive = pack(photos, tmp_path / "photos.zip")
    archive.write_bytes(archive.read_bytes().replace(b"Cans", "垃圾".encode("gbk")))
    summary = build(archive)
    assert summary["classes"] == ["Paper", "垃圾"]
    assert summary["names_read_as"] == "GBK"
    assert "GBK" in str(dataset_facts(summary))


def test_the_same_dataset_gives_the_same_bytes_from_folder_and_archive(photos: Path, build: Build, tmp_path: Path) -> None:
    (photos / "train/Cans/broken.jpg").write_bytes(b"")
    from_folder = build(photos)
    first = files(tmp_path / "result")
    shutil.rmtree(tmp_path / "result")
    archive = pack(photos, tmp_path / "photos.zip")
    from_archive = build(archive)
    assert files(tmp_path / "result") == first
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert from_archive == from_folder | {"kind": "archive", "archive_sha256": digest}
    assert all(str(tmp_path).encode() not in first[name] for name in ("images.csv", "set_aside.csv"))


def test_leaves_the_users_files_alone(photos: Path, build: Build, tmp_path: Path) -> None:
    archive = pack(photos, tmp_path / "photos.zip")
    before = files(photos), archive.read_bytes()
    build(photos)
    shutil.rmtree(tmp_path / "result")
    build(archive)
    assert (files(photos), archive.read_bytes()) == before


def test_sets_broken_images_aside_and_goes_on(photos: Path, build: Build, tmp_path: Path) -> None:
    whole = (photos / "train/Cans/0.png").read_bytes()
    (photos / "train/Cans/0.png").write_bytes(whole[:100])
    (photos / "train/Cans/1.png").write_bytes(b"")
    (photos / "train/Paper/readme.txt").write_text("not an image")
    (photos / "train/Paper/gone.jpg").symlink_to("nowhere")
    Image.new("RGB", (2000, 1000)).save(photos / "test/Paper/0.png")
    summary = build(photos, max_megapixels=1, max_lost_share=0.5)
    assert summary["set_aside"] == {
        "count": 5,
        "first": [
            {"path": "train/Cans/0.png", "reason": "truncated"},
            {"path": "train/Cans/1.png", "reason": "zero bytes"},
            {"path": "train/Paper/gone.jpg", "reason": "cannot be read: No such file or directory"},
            {"path": "train/Paper/readme.txt", "reason": "not an image"},
            {"path": "test/Paper/0.png", "reason": "2.0 megapixels, limit 1"},
        ],
    }
    assert table(tmp_path / "result/set_aside.csv") == summary["set_aside"]["first"]
    assert summary["counts"] == {"train": {"Cans": 8, "Paper": 10}, "test": {"Cans": 2, "Paper": 1}}
    assert len(list((tmp_path / "result").rglob("*.png"))) == 21


def test_names_at_most_twenty_broken_images_in_the_summary_but_all_in_the_table(
    tmp_path: Path, make_dataset: Make, build: Build
) -> None:
    photos = make_dataset(tmp_path / "photos", train={"Cans": 30, "Paper": 1}, test={"Cans": 1, "Paper": 1})
    for number in range(25):
        (photos / f"train/Cans/{number}.png").write_bytes(b"")
    summary = build(photos, max_lost_share=0.9)["set_aside"]
    assert (summary["count"], len(summary["first"])) == (25, 20)
    assert len(table(tmp_path / "result/set_aside.csv")) == 25


@pytest.mark.parametrize(("broken", "allowed"), [(2, 0.2), (3, 0.3), (9, 1.0)])
def test_a_class_may_lose_the_stated_share(photos: Path, build: Build, broken: int, allowed: float) -> None:
    for number in range(broken):
        (photos / f"train/Cans/{number}.png").write_bytes(b"")
    assert build(photos, max_lost_share=allowed)["counts"]["train"]["Cans"] == 10 - broken


@pytest.mark.parametrize(("broken", "allowed"), [(3, 0.2), (1, 0.0), (10, 1.0)])
def test_a_class_that_loses_more_stops_the_run(photos: Path, build: Build, tmp_path: Path, broken: int, allowed: float) -> None:
    for number in range(broken):
        (photos / f"train/Cans/{number}.png").write_bytes(b"")
    sentence = rf"train/Cans loses {broken} of its 10 images.*first: train/Cans/0\.png: zero bytes"
    with pytest.raises(PipelineError, match=sentence):
        build(photos, max_lost_share=allowed)
    assert not (tmp_path / "result/.unpacked").exists()


def test_without_a_test_split_the_last_usable_images_are_set_aside(tmp_path: Path, make_dataset: Make, build: Build) -> None:
    photos = make_dataset(tmp_path / "photos", train={"Cans": 10, "Paper": 3})
    (photos / "train/Cans/9.png").write_bytes(b"")
    summary = build(photos, test_share=0.3)
    assert summary["test_split"] == "set aside"
    assert summary["counts"] == {"train": {"Cans": 6, "Paper": 2}, "test": {"Cans": 3, "Paper": 1}}
    chosen = [path.name for path in sorted((tmp_path / "result/test/Cans").iterdir())]
    assert chosen == ["6.png", "7.png", "8.png"]
    assert {row["source"] for row in table(tmp_path / "result/images.csv") if row["split"] == "test"} == {
        "train/Cans/6.png", "train/Cans/7.png", "train/Cans/8.png", "train/Paper/2.png",
    }  # fmt: skip


def test_without_a_test_split_one_image_is_too_few(tmp_path: Path, make_dataset: Make, build: Build) -> None:
    with pytest.raises(PipelineError, match="Class Paper has only one usable image"):
        build(make_dataset(tmp_path / "photos", train={"Cans": 5, "Paper": 1}))


def test_takes_bare_class_folders(tmp_path: Path, draw: Make, build: Build) -> None:
    for name in ("Cans/1.png", "Cans/more/1.png", "Paper/1.png", "Paper/2.png"):
        draw(tmp_path / "photos" / name)
    summary = build(tmp_path / "photos")
    assert summary["counts"] == {"train": {"Cans": 1, "Paper": 1}, "test": {"Cans": 1, "Paper": 1}}
    assert {path for path in files(tmp_path / "result") if path.startswith("test/Cans")} == {"test/Cans/more-1.png"}


def test_flattens_folders_into_unique_names(photos: Path, draw: Make, build: Build, tmp_path: Path) -> None:
    for name in ("a/1.png", "b/1.png", "B/1.png", "1.jpg", "a-1.bmp"):
        draw(photos / "train/Cans" / name)
    build(photos)
    result = sorted(path.name for path in (tmp_path / "result/train/Cans").iterdir())
    untouched = [f"{number}.png" for number in range(10) if number != 1]
    assert result == sorted([*untouched, "1.jpg", "1-2.png", "B-1.png", "a-1.png", "a-1-2.bmp", "b-1-2.png"])


def test_names_that_are_no_text_become_text(photos: Path, build: Build, tmp_path: Path) -> None:
    place = bytes(photos / "train/Cans")
    (photos / "train/Cans/0.png").rename(Path((place + b"/\xff.png").decode(errors="surrogateescape")))
    build(photos)
    assert (tmp_path / "result/train/Cans/\ufffd.png").is_file()
    assert "train/Cans/\ufffd.png" in {row["source"] for row in table(tmp_path / "result/images.csv")}


def test_says_how_far_it_is(photos: Path, build: Build) -> None:
    seen: list[tuple[int, int]] = []
    build(photos, progress=lambda done, total, _: seen.append((done, total)))
    assert seen == [(number, 24) for number in range(1, 25)]


def test_refuses_content_that_changed_since_it_was_found(photos: Path, build: Build, tmp_path: Path, draw: Make) -> None:
    archive = pack(photos, tmp_path / "photos.zip")
    sources = [resolve(str(path), downloads=tmp_path) for path in (photos, archive)]
    draw(photos / "train/Cans/new.png")
    pack(photos, archive)
    for source in sources:
        with pytest.raises(PipelineError, match="changed while it was read"):
            build(source)
        shutil.rmtree(tmp_path / "result")


def test_limits_hold_for_archives(photos: Path, build: Build, tmp_path: Path) -> None:
    archive = pack(photos, tmp_path / "photos.zip")
    with pytest.raises(PipelineError, match=r"allowed \(data\.max_files\)"):
        build(archive, max_files=5)
    assert not (tmp_path / "result/.unpacked").exists()


def test_messages_name_the_users_archive(tmp_path: Path, make_dataset: Make, build: Build) -> None:
    archive = pack(make_dataset(tmp_path / "photos", train={"Cans": 3}), tmp_path / "photos.zip")
    with pytest.raises(PipelineError, match=r"photos\.zip needs at least two classes"):
        build(archive)


def test_fetches_a_remote_dataset_once(
    photos: Path, build: Build, tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GARBAGE_DATA_EN_URL", site.url)
    site.content = pack(photos, tmp_path / "photos.zip").read_bytes()
    for _ in range(2):
        summary = build("data_en")
        assert (summary["name"], summary["kind"]) == ("data_en", "remote")
        assert summary["archive_sha256"] == hashlib.sha256(site.content).hexdigest()
        shutil.rmtree(tmp_path / "result")
    assert [method for method, _ in site.requests] == ["HEAD", "GET", "HEAD"]
    site.headers = {"ETag": '"v2"'}
    build("data_en")
    assert [method for method, _ in site.requests][3:] == ["HEAD", "GET"]


def test_builds_without_network_from_the_last_download(
    photos: Path, build: Build, tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GARBAGE_DATA_EN_URL", site.url)
    site.content = pack(photos, tmp_path / "photos.zip").read_bytes()
    download(site.url, tmp_path / "downloads/data_en.zip", max_bytes=10**6)
    site.faults = [Site.status(404)] * 10
    assert build("data_en")["counts"]["train"] == {"Cans": 10, "Paper": 10}


def test_a_login_page_is_no_dataset(build: Build, tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GARBAGE_DATA_EN_URL", site.url)
    site.content = b"<html>Please sign in"
    with pytest.raises(PipelineError, match="sends no zip archive"):
        build("data_en")
    assert not (tmp_path / "downloads/data_en.zip").exists()


def test_takes_the_real_photographs_whole(build: Build) -> None:
    summary = build(photographs())
    assert (len(summary["classes"]), summary["set_aside"]["count"], summary["test_split"]) == (26, 0, "given")
    assert {split: sum(counts.values()) for split, counts in summary["counts"].items()} == {"train": 2082, "test": 130}


def test_long_paths_become_names_that_leave_room_for_a_views_name() -> None:
    long = Path("é" * 100, "folder" * 30)
    names = unique_names([long / "1.jpg", long / "2.jpg", Path("photo." + "x" * 240), Path("photo." + "x" * 240 + "y")])
    assert len(set(names)) == 4
    assert all(len(name.encode()) < 200 for name in names)
    assert [Path(name).suffix for name in names[:2]] == [".jpg", ".jpg"]


NAMES = st.text("aAbß1.-é😀", min_size=1, max_size=60)
PATHS = st.lists(NAMES.filter(lambda name: name.strip(".")), min_size=1, max_size=3).map(lambda parts: Path(*parts))


@given(paths=st.lists(PATHS, max_size=30))
@example(paths=[Path("1"), Path("1.1111111111")])
def test_whatever_the_paths_their_names_are_unique_and_fit(paths: list[Path]) -> None:
    names = unique_names(paths)
    assert len({Path(name).stem.casefold() for name in names}) == len(paths)
    assert all(0 < len(name.encode()) < 255 and "/" not in name for name in names)
    assert names == unique_names(paths)
