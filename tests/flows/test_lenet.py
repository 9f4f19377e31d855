"""The second flow as its user meets it, on the embedded digits."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support import CommandLine, Finished
from waiting import PATIENCE

STAGES = ["dataset", "train", "evaluate", "report"]
RUN = ("run", "--flow", "lenet-mnist")
SETTINGS = ("--set=train.epochs=4", "--set=evaluate.mistakes=2", "--set=evaluate.tsne_images=100")


@pytest.fixture(autouse=True)
def _settings_of_its_own(garbage: CommandLine) -> None:
    garbage.settings = {}


def lenet(garbage: CommandLine, *options: str, dataset: str = "digits") -> Finished:
    finished = garbage(*RUN, "--json", "--dataset", dataset, *SETTINGS, *options)
    assert finished.code == 0, finished.err
    return finished


def epochs_shown(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"epoch (\d)/4  loss [\d.]+  train accuracy [\d.]+  test accuracy", text)]


def test_a_run_says_its_epochs_a_rerun_reuses_all_and_the_model_predicts(garbage: CommandLine, tmp_path: Path) -> None:
    first = lenet(garbage)
    assert first.statuses == dict.fromkeys(STAGES, "computed")
    assert epochs_shown(first.err) == [1, 2, 3, 4]
    assert first.json["metrics"]["test"]["top1"] > 0.5
    page = Path(first.json["report"]).read_text(encoding="utf-8")
    assert "This is not MNIST" in page
    listed = re.findall(r'<th scope="row">(\w+)</th>', page.partition("<h3>Stages</h3>")[2])
    assert listed == STAGES[:-1]
    for picture in ("loss", "accuracy", "examples", "confusion", "reliability-after", "mistakes-01"):
        assert list(Path(first.json["report"]).parent.glob(f"figures/{picture}.*"))

    second = lenet(garbage)
    assert second.statuses == dict.fromkeys(STAGES, "reused")
    assert second.json["metrics"] == first.json["metrics"]

    planned = garbage(
        "status", "--flow", "lenet-mnist", "--json", "--dataset", "digits", *plain(SETTINGS), "--set=train.epochs=3"
    )
    assert planned.statuses == {"dataset": "reused", "train": "stale", "evaluate": "stale", "report": "stale"}
    assert planned.stage("train")["reason"] == "setting `train.epochs` 4 -> 3"

    Image.new("RGB", (90, 60), "black").save(tmp_path / "blank.png")
    (tmp_path / "note.txt").write_text("no image")
    predicted = garbage("predict", "--json", "--flow", "lenet-mnist", tmp_path / "blank.png", tmp_path / "note.txt")
    assert predicted.code == 0, predicted.err
    assert "model   dataset digits, trained 20" in predicted.err
    assert predicted.json[0]["class"] in set("0123456789")
    assert predicted.json[0]["bin"] is None
    assert predicted.json[1]["error"] == "not an image"


def plain(settings: tuple[str, ...]) -> list[str]:
    return [setting for setting in settings if "epochs" not in setting]


@pytest.mark.acceptance
def test_a_killed_run_goes_on_from_its_last_epoch_and_ends_the_same(garbage: CommandLine, tmp_path: Path) -> None:
    process = garbage.start(*RUN, "--dataset", "digits", *SETTINGS)
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 3/4" in line:
            process.send_signal(signal.SIGKILL)
            break
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL
    rerun = lenet(garbage)
    assert rerun.statuses["train"] == "computed"
    assert epochs_shown(rerun.err) in ([3, 4], [4], [])
    assert (Path(rerun.json["model"]) / "network.ckpt").read_bytes() == undisturbed(tmp_path)


def undisturbed(folder: Path) -> bytes:
    """The network of a training in this process that nobody kills."""
    from pipeline_lib.mnist.arrays import read_split
    from pipeline_lib.mnist.dataset import build_arrays
    from pipeline_lib.mnist.sources import resolve
    from pipeline_lib.settings.sections import LenetSettings, NetworkTrainSettings
    from pipeline_lib.training.network import train_network

    settings = LenetSettings(train=NetworkTrainSettings(epochs=4))
    summary = build_arrays(folder, resolve("digits", downloads=folder, fetch=False), settings.data, downloads=folder)
    train, test = (read_split(folder, name) for name in ("train", "test"))
    train_network(folder / "model", train, test, summary["classes"], settings.network, settings.train, settings.seed)
    return (folder / "model" / "network.ckpt").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([*RUN, "--dataset", "mnits"], "did you mean mnist?"),
        (
            [*RUN, "--set", "network.form=modern"],
            "network.form=modern is not allowed: choose report or classic",
        ),
        ([*RUN, "--set", "backbone.width=1"], "There is no setting backbone.width"),
        (["status", "--flow", "lenet-mnist", "--dataset", "/nowhere"], "There is no dataset '/nowhere'"),
    ],
)
def test_bad_input_gets_one_sentence(garbage: CommandLine, arguments: list[str], sentence: str) -> None:
    finished = garbage(*arguments)
    assert finished.code == 1
    assert sentence in finished.err
    assert "Traceback" not in finished.err


def test_its_settings_are_listed(garbage: CommandLine) -> None:
    listed: Any = garbage("settings", "--flow", "lenet-mnist", "--set", "train.epochs=77")
    assert listed.code == 0
    assert "network.form" in listed.out
    assert "77" in listed.out
    assert "backbone" not in listed.out
