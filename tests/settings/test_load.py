"""Settings from files and pairs; what is refused says the name, the range and the nearest name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from pipeline_lib.errors import PipelineError
from pipeline_lib.settings.load import PRESETS, changed_settings, load_settings, setting_names
from pipeline_lib.settings.sections import LenetSettings, Section, Settings


def test_pairs_override_the_file_and_the_file_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("train: {epochs: 50, batch: 32}\nseed: 7\naugment_test: {grid_sigmas: [0, 10]}\n")
    settings = load_settings(file, ["train.epochs=60", "backbone.weights=3"])
    assert (settings.train.epochs, settings.train.batch, settings.seed) == (60, 32, 7)
    assert settings.augment_test.grid_sigmas == (0.0, 10.0)
    assert settings.backbone.weights == "3"
    assert settings.train.lr_max == Settings().train.lr_max


def test_a_preset_is_under_the_file_and_the_file_under_the_pairs(tmp_path: Path) -> None:
    best = changed_settings(load_settings(preset="best"))
    assert best
    name = next(iter(best))
    file = tmp_path / "settings.yaml"
    file.write_text("seed: 7\n")
    assert changed_settings(load_settings(file, ["seed=8"], Settings, "best")) == {**best, "seed": 8}
    default = dict(setting_names())[name].get_default()
    file.write_text(f"{name}: {default}\n")
    assert name not in changed_settings(load_settings(file, [], Settings, "best"))


def test_the_preset_without_a_name_is_the_defaults_of_every_flow() -> None:
    assert PRESETS[0] == "quick"
    assert load_settings(preset="quick") == load_settings() == Settings()
    assert load_settings(None, [], LenetSettings) == LenetSettings()
    with pytest.raises(PipelineError, match=r"The preset best sets .*, which this flow does not have; leave out --preset"):
        load_settings(None, [], LenetSettings, "best")


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        ("train.epoch=5", "There is no setting train.epoch; did you mean train.epochs?"),
        ("trian.epochs=5", "There is no setting trian.epochs; did you mean train.epochs?"),
        ("epochs=5", "There is no setting epochs; did you mean train.epochs or tune.epochs?"),
        ("xyz=5", "There is no setting xyz; garbage settings lists them all"),
        ("seed.x=5", "There is no setting seed.x; did you mean seed?"),
        ("train=5", "train is a section of settings, not a value; write for example train.optimizer=..."),
        ("train.epochs", "--set train.epochs: write NAME=VALUE, for example --set train.epochs=50"),
        ("train.epochs=0", "train.epochs=0 is not allowed: a whole number of at least 1 and at most 10,000"),
        ("train.epochs=ten", "train.epochs=ten is not allowed: a whole number of at least 1 and at most 10,000"),
        ("train.optimizer=sgd", "train.optimizer=sgd is not allowed: choose momentum or adam"),
        ("train.warmup_epochs=200", "train: warmup_epochs 200 must be below epochs 20"),
        ("train.epochs=[", "--set train.epochs=[: the value is not YAML"),
        ("=5", "--set =5: write NAME=VALUE, for example --set train.epochs=50"),
        ("train.epochs=!!int x", "--set train.epochs=!!int x: the value is not YAML"),
        ("train.epochs=&a [*a]", "--set train.epochs=&a [*a]: the value is not YAML"),
        ("augment_test.grid_sigmas=[5, 5]", "augment_test.grid_sigmas=[5, 5] is not allowed: 5 is listed more than once"),
        ("augment_test.grid_angles=[0, -0.0]", "augment_test.grid_angles=[0, -0.0] is not allowed: 0 is listed more than once"),
    ],
)
def test_a_pair_that_is_refused_says_why(pair: str, sentence: str) -> None:
    with pytest.raises(PipelineError) as caught:
        load_settings(None, [pair])
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("name", "item", "most"),
    [("grid_sigmas", "-1", 255), ("grid_sigmas", "nan", 255), ("grid_angles", "inf", 180), ("grid_angles", "1e21", 180)],
)
def test_a_cell_of_the_grid_out_of_range_is_refused(name: str, item: str, most: int) -> None:
    with pytest.raises(PipelineError) as caught:
        load_settings(None, [f"augment_test.{name}=[0, {item.replace('nan', '.nan').replace('inf', '.inf')}]"])
    assert str(caught.value) == f"augment_test.{name}={item} is not allowed: a number of at least 0 and at most {most}"


@pytest.mark.parametrize("value", ["[" * 5000, "9" * 5000, "x" * 5000])
def test_a_value_without_end_is_refused_in_one_short_sentence(value: str) -> None:
    with pytest.raises(PipelineError, match=r"^(--set )?seed=") as caught:
        load_settings(None, [f"seed={value}"])
    assert len(str(caught.value)) < 400


def numbers(model: type[Section]) -> dict[str, FieldInfo]:
    """Every setting that is a number, and the items of every list of numbers."""
    fields = {name: field for name, field in setting_names(model) if field.annotation in (int, float)}
    lists = {
        name: get_args(field.annotation)[0] for name, field in setting_names(model) if get_origin(field.annotation) is tuple
    }
    items = {name: item for name, item in lists.items() if get_origin(item) is not Literal}
    return fields | {name: FieldInfo.from_annotation(item) for name, item in items.items()}


@pytest.mark.parametrize("model", [Settings, LenetSettings])
@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "1.0e+21", "-1.0e+21"])
def test_no_number_may_be_infinite_or_huge(model: type[Section], value: str) -> None:
    for name, field in numbers(model).items():
        in_list = field.annotation is float and isinstance(dict(setting_names(model))[name].default, tuple)
        with pytest.raises(PipelineError, match=f"^{name}=.* is not allowed: a (whole )?number .* (at most|below) "):
            load_settings(None, [f"{name}={[value] if in_list else value}".replace("'", "")], model)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("onnx", "export.formats=onnx is not allowed: write a list of onnx or int8 or page or labels, such as [onnx]"),
        ("[onx]", "export.formats=onx is not allowed: choose onnx or int8 or page or labels"),
    ],
)
def test_a_list_of_names_is_asked_for_in_words(written: str, sentence: str) -> None:
    with pytest.raises(PipelineError, match=re.escape(sentence)):
        load_settings(None, [f"export.formats={written}"], Settings)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("train: [", "it is not supported YAML: line 1: expected the node content"),
        ("- 1\n- 2\n", "must contain names and values"),
        ("train: {epoch: 3}", "did you mean train.epochs?"),
        ("seed: 1\n\nseed: 2\n", "sets seed twice, on line 1 and on line 3; keep one of them"),
        ("train:\n  epochs: 5\n  epochs: 6\n", "sets train.epochs twice, on line 2 and on line 3; keep one of them"),
        ("train.epochs: 5\ntrain:\n  epochs: 6\n", "sets train.epochs twice, on line 1 and on line 3; keep one of them"),
        ("train: {epochs: 5}\ntrain: {batch: 6, epochs: 6}\n", "sets train.epochs twice, on line 1 and on line 2"),
        ("seed: &a [*a]", "line 1: aliases (*name) are not followed"),
        ("train: &a\n  epochs: *a\n", "line 2: aliases (*name) are not followed"),
        ("seed: " + "[" * 5000, "line 1: nested more than 20 deep"),
        ("seed: 2001-99-99", "line 1: the value of seed cannot be read"),
        ("? [seed]\n: 1", "line 1 sets a value without a name"),
        ("'': 1", "line 1 sets a value without a name"),
        ("\0", "is not YAML"),
    ],
)
def test_a_file_that_is_refused_says_why(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(PipelineError) as caught:
        load_settings(file)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sections_of_one_name_are_one_section(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("train: {epochs: 50}\ntrain.batch: 32\ntrain: {patience: 3}\n")
    train = load_settings(tmp_path / "settings.yaml").train
    assert (train.epochs, train.batch, train.patience) == (50, 32, 3)


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
    assert Settings().train.batch == 128
    with pytest.raises(PipelineError, match=r"There is no setting network\.form"):
        load_settings(None, ["network.form=classic"])
    with pytest.raises(PipelineError, match=r"train\.patience=0 is not allowed: a whole number of at least 1"):
        load_settings(None, ["train.patience=0"], LenetSettings)


@given(st.integers(1, 10_000), st.integers(0, 2**31 - 1))
def test_what_is_set_is_what_is_read(epochs: int, seed: int) -> None:
    settings = load_settings(None, [f"train.epochs={epochs}", f"seed={seed}", "train.warmup_epochs=0"])
    assert (settings.train.epochs, settings.seed) == (epochs, seed)
