"""The embedded sample: a small and clean dataset that is installed with the package and is in no other dataset's key."""

from __future__ import annotations

import csv
import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support import PROJECT

from pipeline_lib.audit.audit import audit_dataset
from pipeline_lib.data.classes import CLASSES
from pipeline_lib.data.dataset import build_dataset
from pipeline_lib.data.embedded import SAMPLE
from pipeline_lib.data.sources import resolve
from pipeline_lib.settings.sections import AuditSettings, DataSettings
from pipeline_lib.stages.reach import reach

PICTURES = {"train": 16, "test": 4}


def build(folder: Path, dataset: str) -> dict[str, Any]:
    return build_dataset(folder, resolve(dataset, downloads=folder), DataSettings(), downloads=folder)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as stage ``dataset`` lays it out."""
    folder = tmp_path_factory.mktemp("dataset")
    build(folder, "sample")
    return folder


def test_every_class_has_as_many_pictures_and_all_can_be_decoded(tmp_path: Path) -> None:
    summary = build(tmp_path, "sample")
    assert summary["counts"] == {split: dict.fromkeys(CLASSES, count) for split, count in PICTURES.items()}
    assert (summary["set_aside"]["count"], summary["test_split"]) == (0, "given")


def test_every_picture_is_a_colour_jpeg_of_224_pixels(dataset: Path) -> None:
    with (dataset / "images.csv").open(newline="", encoding="utf-8") as stream:
        found = {(row["format"], row["mode"], row["width"], row["height"]) for row in csv.DictReader(stream)}
    assert found == {("JPEG", "RGB", "224", "224")}


def test_no_two_pictures_have_the_same_bytes(dataset: Path) -> None:
    digests = {hashlib.sha256(path.read_bytes()).digest() for path in dataset.rglob("*.jpg")}
    assert len(digests) == len(CLASSES) * sum(PICTURES.values())


def test_the_audit_finds_nothing_amiss(dataset: Path, tmp_path: Path) -> None:
    found = audit_dataset(tmp_path, dataset, AuditSettings())
    pairs = sum(sum(relations.values()) for relations in found["pairs"].values())
    assert (pairs, found["tiny"]["count"], found["blank"]["count"]) == (0, 0, 0)


def test_it_is_small() -> None:
    assert SAMPLE.stat().st_size <= 5_000_000


def test_it_is_an_archive_like_any_other_and_known_as_synthetic_wherever_it_lies(tmp_path: Path) -> None:
    copy = Path(shutil.copy(SAMPLE, tmp_path / "sample.zip"))
    assert build(tmp_path / "copy", str(copy)) == build(tmp_path / "name", "sample")
    assert build(tmp_path / "again", "sample")["synthetic"] is True
    with zipfile.ZipFile(copy, "a") as archive:
        archive.writestr("train/Cans/another.jpg", archive.read("train/Cans/0000.jpg"))
    assert build(tmp_path / "other", str(copy))["synthetic"] is False


def test_it_counts_as_a_source_and_not_as_code_that_every_dataset_depends_on() -> None:
    assert resolve("sample", downloads=SAMPLE.parent).fingerprint == hashlib.sha256(SAMPLE.read_bytes()).hexdigest()
    stages = sorted(f"tasks.finetune.{path.stem}" for path in (PROJECT / "tasks" / "finetune").glob("[a-z]*.py"))
    reached = {file for stage in stages for file in reach(stage).files}
    assert "pipeline_lib/data/dataset.py" in reached
    assert not {file for file in reached if Path(PROJECT, file).parent == SAMPLE.parent}


def test_it_is_installed_with_the_package(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for package in ("cli", "flows", "tasks", "pipeline_lib"):
        shutil.copytree(PROJECT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / file, source)
    command = [sys.executable, "-c", "from setuptools.build_meta import build_wheel; build_wheel('wheels')"]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    with zipfile.ZipFile(next((source / "wheels").glob("*.whl"))) as wheel:
        assert wheel.read(SAMPLE.relative_to(PROJECT).as_posix()) == SAMPLE.read_bytes()
