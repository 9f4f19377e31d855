"""Settings from files and pairs; what is refused says the name, the range and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.configuration import load_settings, setting_names
from pipeline_lib.errors import PipelineError
from pipeline_lib.settings import LenetSettings, Section, Settings


def test_pairs_override_the_file_and_the_file_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("train: {epochs: 50, batch: 32}\nseed: 7\naugment_test: {grid_sigmas: [0, 10]}\n")
    settings = load_settings(file, ["train.epochs=60", "backbone.weights=3"])
    assert (settings.train.epochs, settings.train.batch, settings.seed) == (60, 32, 7)
    assert settings.augment_test.grid_sigmas == (0.0, 10.0)
    assert settings.backbone.weights == "3"
    assert settings.train.lr_max == Settings().train.lr_max


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        ("train.epoch=5", "There is no setting train.epoch; did you mean train.epochs?"),
        ("trian.epochs=5", "There is no setting trian.epochs; did you mean train.epochs?"),
        ("epochs=5", "There is no setting epochs; did you mean train.epochs?"),
        ("xyz=5", "There is no setting xyz; garbage settings lists them all"),
        ("seed.x=5", "There is no setting seed.x; did you mean seed?"),
        ("train=5", "train is a section of settings, not a value; write for example train.optimizer=..."),
        ("train.epochs", "--set train.epochs: write NAME=VALUE, for example --set train.epochs=50"),
        ("train.epochs=0", "train.epochs=0 is not allowed: a whole number of at least 1 and at most 10,000"),
        ("train.epochs=ten", "train.epochs=ten is not allowed: a whole number of at least 1 and at most 10,000"),
        ("train.optimizer=sgd", "train.optimizer=sgd is not allowed: choose momentum or adam"),
        ("train.warmup_epochs=200", "train: warmup_epochs 200 must be below epochs 100"),
        ("train.epochs=[", "--set train.epochs=[: the value is not YAML"),
    ],
)
def test_a_pair_that_is_refused_says_why(pair: str, sentence: str) -> None:
    with pytest.raises(PipelineError) as caught:
        load_settings(None, [pair])
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("train: [", "is not YAML"),
        ("- 1\n- 2\n", "must hold names and values"),
        ("train: {epoch: 3}", "did you mean train.epochs?"),
    ],
)
def test_a_file_that_is_refused_says_why(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(PipelineError, match=sentence.replace("?", r"\?")):
        load_settings(file)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="cannot be read: No such file"):
        load_settings(tmp_path / "none.yaml")


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    assert load_settings(tmp_path / "empty.yaml") == Settings()


@pytest.mark.parametrize("model", [Settings, LenetSettings])
def test_every_setting_has_a_description_and_a_default_that_is_allowed(model: type[Section]) -> None:
    assert all(field.description for _, field in setting_names(model))
    assert model.model_validate(model().model_dump()) == model()


def test_each_flow_has_its_own_settings_and_defaults() -> None:
    settings = load_settings(None, ["network.form=classic", "train.epochs=3"], LenetSettings)
    assert (settings.network.form, settings.train.epochs, settings.train.batch) == ("classic", 3, 32)
    assert Settings().train.batch == 64
    with pytest.raises(PipelineError, match=r"There is no setting network\.form"):
        load_settings(None, ["network.form=classic"])
    with pytest.raises(PipelineError, match=r"train\.patience=0 is not allowed: a whole number of at least 1"):
        load_settings(None, ["train.patience=0"], LenetSettings)


@given(st.integers(1, 10_000), st.integers(0, 2**31 - 1))
def test_what_is_set_is_what_is_read(epochs: int, seed: int) -> None:
    settings = load_settings(None, [f"train.epochs={epochs}", f"seed={seed}", "train.warmup_epochs=0"])
    assert (settings.train.epochs, settings.seed) == (epochs, seed)
