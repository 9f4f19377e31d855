"""A patch enters a dataset whole or not at all, once, and only as photographs of classes."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import command_line, draw_picture, write_tiny_dataset

from pipeline_lib.data.dataset import build_dataset
from pipeline_lib.data.imagefolder import scan
from pipeline_lib.data.labels_file import read_decisions
from pipeline_lib.data.sources import resolve
from pipeline_lib.errors import PipelineError
from pipeline_lib.labels.ingest import ingest
from pipeline_lib.settings.sections import DataSettings


def photograph(seed: int) -> bytes:
    content = io.BytesIO()
    draw_picture((10, 200, 10), np.random.default_rng(1000 + seed)).save(content, "PNG")
    return content.getvalue()


def write_patch(path: Path, labelled: Mapping[bytes, str], **changed: object) -> Path:
    """A patch as the page writes it, but for what is changed in its entries."""
    listed = []
    with zipfile.ZipFile(path, "w") as archive:
        for content, label in labelled.items():
            digest = sha256(content).hexdigest()
            entry = {"file": f"photographs/{digest}.png", "sha256": digest, "label": label, "answered": "Cans", **changed}
            archive.writestr(f"photographs/{digest}.png", content)
            listed.append(entry)
        archive.writestr("labels.json", json.dumps({"version": 1, "model": "m", "dataset": "d", "photographs": listed}))
    return path


def state(dataset: Path) -> dict[str, bytes]:
    return {str(path.relative_to(dataset)): path.read_bytes() for path in dataset.rglob("*") if path.is_file()}


def test_a_new_class_new_photographs_and_a_corrected_label_enter_once(tiny_dataset: Path, tmp_path: Path) -> None:
    wrong, right = tiny_dataset / "train/Cans/000.png", tiny_dataset / "test/Paper/001.png"
    labelled = {photograph(number): "Teacup" for number in range(10)}
    labelled |= {photograph(20): "Cans", wrong.read_bytes(): "Battery", right.read_bytes(): "Paper"}
    patch, before = write_patch(tmp_path / "patch.zip", labelled), state(tiny_dataset)
    planned = ingest(patch, tiny_dataset, dry=True)
    assert state(tiny_dataset) == before
    assert ingest(patch, tiny_dataset) == planned
    assert (planned.added, planned.new_classes) == ({"Cans": 1, "Teacup": 10}, ["Teacup"])
    assert (planned.relabelled, planned.present) == ({"train/Cans/000.png": "Battery"}, ["test/Paper/001.png"])
    found = scan(tiny_dataset)
    assert found.test is not None
    assert (len(found.train["Teacup"]), len(found.test["Teacup"]), len(found.train["Cans"])) == (8, 2, 9)
    assert read_decisions(tiny_dataset / "labels.csv").labels == {sha256(wrong.read_bytes()).hexdigest(): "Battery"}
    after = state(tiny_dataset)
    assert after.keys() >= before.keys()
    again = ingest(patch, tiny_dataset)
    assert (again.added, again.new_classes) == ({}, [])
    assert state(tiny_dataset) == after


def test_the_dataset_of_the_next_run_has_them(tiny_dataset: Path, tmp_path: Path) -> None:
    wrong = (tiny_dataset / "train/Cans/000.png").read_bytes()
    labelled = {photograph(number): "Teacup" for number in range(5)} | {wrong: "Battery"}
    ingest(write_patch(tmp_path / "patch.zip", labelled), tiny_dataset)
    source = resolve(str(tiny_dataset), downloads=tmp_path)
    summary = build_dataset(tmp_path / "made", source, DataSettings(), downloads=tmp_path, decisions=source.decisions)
    assert summary["counts"]["train"] == {"Battery": 9, "Cans": 7, "Paper": 8, "Teacup": 4}
    assert summary["counts"]["test"]["Teacup"] == 1


def test_a_decision_that_is_taken_back_is_to_keep_the_label(tiny_dataset: Path, tmp_path: Path) -> None:
    content = (tiny_dataset / "train/Cans/000.png").read_bytes()
    for label, decided in (("Battery", "Battery"), ("Cans", "keep"), ("Cans", "keep")):
        ingest(write_patch(tmp_path / "patch.zip", {content: label}), tiny_dataset)
        assert read_decisions(tiny_dataset / "labels.csv").labels == {sha256(content).hexdigest(): decided}


def test_a_folder_of_classes_without_train_and_test_takes_a_new_class_too(tmp_path: Path) -> None:
    dataset = write_tiny_dataset(tmp_path / "pictures", test=0) / "train"
    ingest(write_patch(tmp_path / "patch.zip", {photograph(number): "Teacup" for number in range(2)}), dataset)
    assert len(scan(dataset).train["Teacup"]) == 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"file": "photographs/../../../evil.png"}, "is no photograph of it"),
        ({"file": "/etc/passwd"}, "is no photograph of it"),
        ({"sha256": "0" * 64}, "not the one stated"),
        ({"label": "remove"}, "the name has a meaning of its own"),
        ({"label": "a/../Cans"}, "no folder can be called so everywhere"),
        ({"label": ".hidden"}, "folders called so are passed over"),
        ({"label": "垃" * 80}, "it has more than 200 bytes"),
        ({"label": "cans"}, "differs in letter case alone"),
        ({"label": ""}, "is no patch: labels.json: photographs"),
        ({"label": "Teacup"}, "has 1 new photograph in the patch; at least 2 are needed"),
        ({"label": 3}, "is no patch: labels.json: photographs"),
    ],
)
def test_a_patch_that_lies_is_refused_in_one_sentence_and_changes_nothing(
    tiny_dataset: Path, tmp_path: Path, changed: dict[str, object], said: str
) -> None:
    patch, before = write_patch(tmp_path / "patch.zip", {photograph(1): "Cans"}, **changed), state(tiny_dataset)
    with pytest.raises(PipelineError, match=said):
        ingest(patch, tiny_dataset)
    assert state(tiny_dataset) == before
    assert not (tmp_path / "evil.png").exists()


def test_an_archive_that_is_no_patch_is_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    bomb, empty, text = tmp_path / "bomb.zip", tmp_path / "empty.zip", tmp_path / "text.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("photographs/" + "0" * 64, bytes(50_000_000))
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("readme", "nothing")
    text.write_text("no zip")
    broken = write_patch(tmp_path / "broken.zip", {b"no picture": "Cans"})
    before = state(tiny_dataset)
    for patch, said in (
        (bomb, "unpacks to more than 200 times"),
        (empty, "labels.json is missing"),
        (text, "is not a zip archive"),
        (broken, "cannot be used: not an image"),
    ):
        with pytest.raises(PipelineError, match=said):
            ingest(patch, tiny_dataset)
    with pytest.raises(PipelineError, match="is no folder"):
        ingest(broken, empty)
    assert state(tiny_dataset) == before


def test_an_error_on_the_way_undoes_what_was_moved(tiny_dataset: Path, tmp_path: Path) -> None:
    (tiny_dataset / "labels.csv").write_text("sha256,label,who,when\n", encoding="utf-8")
    wrong = (tiny_dataset / "train/Cans/000.png").read_bytes()
    labelled = {photograph(9): "Cans", photograph(7): "Jug", photograph(8): "Jug", wrong: "Battery"}
    labelled |= {photograph(number): "Teacup" for number in range(3)}
    before = state(tiny_dataset)
    (tiny_dataset / "test" / "Teacup").write_text("a file where a folder has to be")
    with pytest.raises(OSError, match="Teacup"):
        ingest(write_patch(tmp_path / "patch.zip", labelled), tiny_dataset)
    (tiny_dataset / "test" / "Teacup").unlink()
    assert state(tiny_dataset) == before
    assert not [split for split in ("train", "test") if (tiny_dataset / split / "Jug").exists()]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(label=st.text(max_size=100))
def test_whatever_a_label_is_photographs_go_into_the_folder_of_their_class_or_nowhere(
    label: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("any")
    dataset = write_tiny_dataset(root / "pictures", train=1, test=1)
    try:
        ingested = ingest(write_patch(root / "patch.zip", {photograph(1): label, photograph(2): label}), dataset)
    except PipelineError:
        assert len(state(root)) == 7
    else:
        (name,) = ingested.added
        assert len(scan(dataset).train[name]) == (1 if ingested.new_classes else 3)
        assert len(state(root)) == 9


def test_the_command_says_what_it_has_done(tiny_dataset: Path, tmp_path: Path) -> None:
    line = command_line(tmp_path / "line", "")
    patch = write_patch(tmp_path / "patch.zip", {photograph(number): "Teacup" for number in range(2)})
    planned, done, again = (
        line("ingest", patch, "--dataset", tiny_dataset, *options) for options in (["--dry-run"], [], ["--json"])
    )
    assert planned.out == "would be added to Teacup: 2 (a new class)\n", planned.err
    assert done.out == "added to Teacup: 2 (a new class)\n"
    assert again.json["added"] == {}
    assert len(again.json["present"]) == 2
