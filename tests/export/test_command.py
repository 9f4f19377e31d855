"""``garbage export`` on the results of a run: the photographs of the model's own dataset judge, errors are one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import CommandLine, Finished, command_line, link_results


@pytest.fixture(scope="module")
def line(
    tmp_path_factory: pytest.TempPathFactory, finished: tuple[Path, Finished], request: pytest.FixtureRequest
) -> CommandLine:
    """The command line on the results of a run on the tiny dataset."""
    made = command_line(tmp_path_factory.mktemp("exporting"), request.getfixturevalue("prefect_api"))
    link_results(finished[0], made.artifacts)
    return made


def test_the_test_photographs_of_the_models_dataset_judge(line: CommandLine, tmp_path: Path) -> None:
    exported = line("export", "--dataset", "pictures", "--to", tmp_path / "out", "--json")
    assert exported.code == 0, exported.err
    assert exported.json["photographs"] == "test photographs of pictures"
    assert exported.json["folder"] == str(tmp_path / "out")
    made, labels = exported.json["files"]
    assert (made["file"], labels["file"]) == ("model.onnx", "labels.csv")
    views = {view["view"]: view for view in made["validation"]["views"]}
    assert [view["photographs"] for view in views.values()] == [9, 9, 9]
    (judged,) = line.artifacts.glob("latest/*/pictures/evaluation/metrics.json")
    top1 = json.loads(judged.read_text(encoding="utf-8"))["test"]["top1"]
    assert round(views["clean"]["model"]["value"], 6) == top1
    assert views["clean"]["export"] == views["clean"]["model"]
    assert "trained" in exported.err


def test_another_run_of_the_command_gives_the_same_files(line: CommandLine, tmp_path: Path) -> None:
    first, second = (
        line("export", "--dataset", "pictures", "--to", tmp_path / name, "--json").json["files"] for name in ("a", "b")
    )
    assert [file["sha256"] for file in first] == [file["sha256"] for file in second]


def test_what_cannot_be_exported_is_refused_in_one_sentence(line: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    for options, code, sentence in (
        (["--format", "tflite"], 2, "'tflite' is no format; there are onnx, int8, mindir, page, labels."),
        (["--format", ","], 2, "is no format"),
        (["--model", tmp_path / "nowhere"], 1, "There is no model at"),
        (["--dataset", "nothing"], 1, "There is no model of the dataset nothing"),
        (["--to", tmp_path], 1, "holds files that are no export, such as mine; name another folder with --to"),
        (["--to", tmp_path / "mine"], 1, "is a file; name a folder with --to"),
    ):
        refused = line("export", *options)
        assert refused.code == code
        assert sentence in " ".join(refused.err.split())
        assert "Traceback" not in refused.err
