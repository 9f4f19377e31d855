"""A dataset is found by name or path, and its fingerprint changes exactly when its content does."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from pathlib import Path

import pytest
from loopback import Site

from pipeline_lib.data.embedded import SAMPLE
from pipeline_lib.data.source import Source
from pipeline_lib.data.sources import resolve
from pipeline_lib.errors import PipelineError
from pipeline_lib.files.fetch import download
from pipeline_lib.stages.key import Code

READERS = (Code("pipeline_lib.data.kinds.archive", "opened"),)
VARIABLE = "GARBAGE_DATA_EN_URL"


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    return tmp_path / "downloads"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for name in ("train/Cans/1.jpg", "train/Cans/2.jpg", "train/Paper/1.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


@pytest.fixture
def data_en(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The official address, stood in for by a server on loopback."""
    monkeypatch.setenv(VARIABLE, site.url)
    site.content = b"archive"
    return site


def test_the_sample_is_a_name(downloads: Path) -> None:
    digest = hashlib.sha256(SAMPLE.read_bytes()).hexdigest()
    expected = Source(name="sample", kind="archive", location=str(SAMPLE.resolve()), fingerprint=digest, readers=READERS)
    assert resolve("sample", downloads=downloads) == expected


def test_a_folder_is_known_by_its_files(folder: Path, downloads: Path) -> None:
    def fingerprint() -> str:
        return resolve(str(folder), downloads=downloads).fingerprint

    found = resolve(str(folder), downloads=downloads)
    assert (found.name, found.kind, found.location) == ("photos", "folder", str(folder))
    seen = {found.fingerprint}
    (folder / "train/Cans/3.jpg").write_bytes(b"new")
    seen.add(fingerprint())
    (folder / "train/Cans/3.jpg").write_bytes(b"now")
    seen.add(fingerprint())
    (folder / "train/Cans/3.jpg").rename(folder / "train/Cans/4.jpg")
    seen.add(fingerprint())
    (folder / "train/Cans/4.jpg").rename(folder / "train/Paper/4.jpg")
    seen.add(fingerprint())
    assert len(seen) == 5
    (folder / "train/Paper/4.jpg").unlink()
    (folder / "train/Paper/.DS_Store").touch()
    os.utime(folder / "train/Cans/1.jpg", (0, 0))
    assert fingerprint() == found.fingerprint


def test_a_copy_elsewhere_has_the_same_fingerprint(folder: Path, tmp_path: Path, downloads: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy" / "inside")
    copy = resolve(str(tmp_path / "copy"), downloads=downloads)
    assert copy.fingerprint == resolve(str(folder), downloads=downloads).fingerprint


def test_a_file_that_cannot_be_read_is_part_of_the_fingerprint(folder: Path, downloads: Path) -> None:
    before = resolve(str(folder), downloads=downloads).fingerprint
    (folder / "train/Cans/gone.jpg").symlink_to("nowhere")
    assert resolve(str(folder), downloads=downloads).fingerprint != before


def test_an_archive_is_known_by_its_digest(folder: Path, tmp_path: Path, downloads: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "garbage"), "zip", folder))
    found = resolve(str(archive), downloads=downloads)
    assert found.fingerprint == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert (found.name, found.kind, found.location) == ("garbage", "archive", str(archive))


def test_a_path_may_be_relative_or_begin_at_home(folder: Path, downloads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder.parent))
    assert (
        resolve(".", downloads=downloads)
        == resolve("~/photos", downloads=downloads)
        == resolve(str(folder), downloads=downloads)
    )


def test_a_name_goes_before_a_folder(folder: Path, downloads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.move(folder, folder.parent / "sample")
    monkeypatch.chdir(folder.parent)
    assert resolve("sample", downloads=downloads).location == str(SAMPLE.resolve())
    assert resolve("./sample", downloads=downloads).kind == "folder"


@pytest.mark.parametrize(
    ("dataset", "sentence"),
    [
        ("sampel", "did you mean sample?"),
        ("data-en", "did you mean data_en?"),
        ("DATA_EN", "did you mean data_en?"),
        ("/no/such/folder", "give sample, data_en, or the path"),
        ("", "give sample, data_en, or the path"),
    ],
)
def test_says_the_nearest_name(downloads: Path, dataset: str, sentence: str) -> None:
    with pytest.raises(PipelineError, match="There is no dataset") as caught:
        resolve(dataset, downloads=downloads)
    assert sentence in str(caught.value)


def test_says_a_file_that_is_no_archive(tmp_path: Path, downloads: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"photo")
    os.mkfifo(tmp_path / "pipe")
    for name in ("photo.jpg", "pipe"):
        with pytest.raises(PipelineError, match=f"{name} is neither a folder nor a zip archive"):
            resolve(str(tmp_path / name), downloads=downloads)


def test_a_folder_that_is_no_dataset_is_reported_at_once(tmp_path: Path, downloads: Path) -> None:
    with pytest.raises(PipelineError, match="has no folder train/"):
        resolve(str(tmp_path), downloads=downloads)


def test_a_remote_dataset_is_asked_for_not_fetched(data_en: Site, downloads: Path) -> None:
    found = resolve("data_en", downloads=downloads)
    assert (found.name, found.kind, found.location) == ("data_en", "remote", data_en.url)
    assert [method for method, _ in data_en.requests] == ["HEAD"]


def test_a_remote_fingerprint_follows_what_the_server_says(data_en: Site, downloads: Path) -> None:
    def fingerprint(**headers: str) -> str:
        data_en.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return resolve("data_en", downloads=downloads).fingerprint

    first = fingerprint(ETag='"v1"', Last_Modified="Sun, 27 Jun 2021 15:02:00 GMT")
    assert first == fingerprint(ETag='"v1"', Last_Modified="Sun, 27 Jun 2021 15:02:00 GMT", Server="another")
    others = [fingerprint(ETag='"v2"', Last_Modified="Sun, 27 Jun 2021 15:02:00 GMT"), fingerprint(ETag='"v1"')]
    data_en.content += b"!"
    others.append(fingerprint(ETag='"v1"'))
    assert len({first, *others}) == 4


def test_says_when_a_server_does_not_tell_versions_apart(
    data_en: Site, downloads: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data_en.headers = {}
    with caplog.at_level(logging.WARNING):
        resolve("data_en", downloads=downloads)
    assert "states neither ETag nor Last-Modified" in caplog.text


def test_tries_again_when_the_server_is_unwell(data_en: Site, downloads: Path) -> None:
    data_en.faults = [Site.status(503), Site.status(429)]
    assert resolve("data_en", downloads=downloads).kind == "remote"


def test_takes_the_next_address_when_one_fails(data_en: Site, downloads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"http://127.0.0.1:1/x.zip  {data_en.url}")
    assert resolve("data_en", downloads=downloads).location == data_en.url


def test_out_of_reach_and_never_downloaded_says_what_to_do(data_en: Site, downloads: Path) -> None:
    data_en.faults = [Site.status(404)]
    with pytest.raises(PipelineError, match=rf"404 Not Found.*--dataset PATH, or set {VARIABLE}"):
        resolve("data_en", downloads=downloads)


def test_out_of_reach_the_last_download_serves_under_its_own_identity(
    data_en: Site, downloads: Path, caplog: pytest.LogCaptureFixture
) -> None:
    online = resolve("data_en", downloads=downloads)
    download(data_en.url, downloads / "data_en.zip", max_bytes=1000)
    data_en.faults = [Site.status(404)]
    with caplog.at_level(logging.WARNING):
        assert resolve("data_en", downloads=downloads) == online
    assert "out of reach" in caplog.text


def test_out_of_reach_an_archive_put_there_by_hand_serves_too(data_en: Site, downloads: Path) -> None:
    downloads.mkdir()
    (downloads / "data_en.zip").write_bytes(b"by hand")
    data_en.faults = [Site.status(404)]
    found = resolve("data_en", downloads=downloads)
    assert (found.kind, found.location) == ("archive", str(downloads / "data_en.zip"))
    assert found.fingerprint == hashlib.sha256(b"by hand").hexdigest()
