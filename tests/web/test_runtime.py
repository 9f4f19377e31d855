"""What runs a model in a browser is the pinned package, from whichever registry is configured, or it is not there."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from loopback import Site

from pipeline_lib.errors import OutOfReachError
from pipeline_lib.files.digest import has_sha256
from pipeline_lib.web.runtime import FILES, fetch_runtime


@pytest.fixture
def without_npm(monkeypatch: pytest.MonkeyPatch, site: Site, tmp_path: Path) -> Site:
    """A machine without npm, and a registry that sends what it likes."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", site.url.rpartition("/")[0])
    return site


def test_the_pinned_files_are_downloaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fetch_runtime(tmp_path)
    assert all(has_sha256(folder / name, digest) for name, digest in FILES.items())
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9")
    assert fetch_runtime(tmp_path) == folder


def test_another_package_than_the_pinned_one_is_refused(without_npm: Site, tmp_path: Path) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as ball:
        for name in FILES:
            entry = tarfile.TarInfo(f"package/dist/{name}")
            entry.size = 4
            ball.addfile(entry, io.BytesIO(b"else"))
    without_npm.content = archive.getvalue()
    with pytest.raises(OutOfReachError, match=r"npm.* is not installed.*sent a file with the sha256 .* so it was refused"):
        fetch_runtime(tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_registry_without_the_package_is_one_sentence_with_what_to_do(without_npm: Site, tmp_path: Path) -> None:
    without_npm.faults = [Site.status(404)]
    with pytest.raises(
        OutOfReachError, match=r"the server answers 404.*name another one in NPM_CONFIG_REGISTRY, or leave page"
    ):
        fetch_runtime(tmp_path)
