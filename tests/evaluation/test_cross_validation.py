import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax

from pipeline_lib.evaluation.calibration import fit_temperature
from pipeline_lib.evaluation.cross_validation import evaluate_out_of_fold, no_figures
from pipeline_lib.evaluation.metrics import share_of
from pipeline_lib.evaluation.out_of_fold import OutOfFold, read_out_of_fold
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.evaluation.scores import Terms
from pipeline_lib.evaluation.selection import unseen_in_short

CLASSES = ("can", "cup", "hat")
TERMS = Terms(CLASSES, ("dry", "dry", "wet"), 0.95, 15)


def made_up(images=40):
    """Outputs of three folds for images of three classes in two views, two photographs of a source."""
    random = np.random.default_rng(0)
    keys = [f"{'test' if number % 4 == 0 else 'train'}/{name}/{number}" for name in CLASSES for number in range(images)]
    sources = {key: number // 2 for number, key in enumerate(keys)}
    labels = np.tile(np.repeat(np.arange(3), images), 2)
    views = np.repeat(["aug1", "clean"], len(keys))
    folds = np.array([1 + sources[key] % 3 for key in keys] * 2)
    logits = np.eye(3)[labels] + random.normal(scale=np.where(views == "clean", 0.7, 1.2)[:, None], size=(len(labels), 3))
    rows = Predictions(np.array(keys * 2), labels, views, (4 * logits).astype(np.float32), sources)
    return OutOfFold(rows, folds)


JUDGED = made_up()
CLASS_OF = {image: image.split("/")[1] for image in JUDGED.predictions.images.tolist()}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated")
    return folder, evaluate_out_of_fold(folder, JUDGED, CLASS_OF, TERMS)


def rows_of(view, beginning=""):
    rows = JUDGED.predictions
    return rows.where((rows.views == view) & np.char.startswith(rows.images, beginning))


@pytest.mark.parametrize(("part", "beginning"), [("", ""), ("_train", "train/"), ("_test", "test/")])
@pytest.mark.parametrize(("key", "view"), [("unseen", "clean"), ("unseen_noisy", "aug1")])
def test_figures_agree_with_a_direct_computation(evaluated, key, view, part, beginning):
    _, metrics = evaluated
    rows, figures = rows_of(view, beginning), metrics[f"{key}{part}"]
    hits = rows.logits.argmax(axis=1) == rows.labels
    share = share_of(hits, rows.groups, 0.95)
    assert figures["top1"] == pytest.approx(hits.mean(), abs=1e-6)
    assert (figures["top1_low"], figures["top1_high"]) == pytest.approx((share.low, share.high), abs=1e-6)
    assert figures["loss"] == pytest.approx(
        -log_softmax(rows.logits.astype(float), axis=1)[np.arange(len(rows)), rows.labels].mean(), abs=1e-5
    )
    assert (figures["n"], figures["images"]) == (len(rows), len(set(rows.images.tolist())))


def test_photographs_of_one_source_make_the_interval_wider(evaluated, tmp_path):
    _, metrics = evaluated
    alone = OutOfFold(replace(JUDGED.predictions, group_of={}), JUDGED.folds)
    other = evaluate_out_of_fold(tmp_path, alone, CLASS_OF, TERMS)
    assert metrics["sources"] == 60 < other["sources"] == 120
    assert metrics["unseen"]["n_effective"] <= other["unseen"]["n_effective"] == 120


def test_no_fold_is_scaled_by_a_temperature_that_has_seen_it(evaluated):
    """The error after scaling is that of outputs which are divided, fold by fold, by what fits the others."""
    _, metrics = evaluated
    rows = rows_of("clean")
    folds = JUDGED.folds[JUDGED.predictions.views == "clean"]
    confidence = np.empty(len(rows))
    for fold in (1, 2, 3):
        others, inside = folds != fold, folds == fold
        scaled = rows.logits[inside] / fit_temperature(rows.logits[others], rows.labels[others])
        confidence[inside] = np.exp(log_softmax(scaled.astype(float), axis=1)).max(axis=1)
    bars = metrics["unseen"]["reliability"]["after"]
    counted = np.histogram(confidence, np.linspace(0, 1, 16))[0]
    assert [bar["n"] for bar in bars] == counted.tolist()
    assert metrics["unseen"]["ece"] < metrics["unseen"]["ece_before"]
    assert metrics["temperature"] == pytest.approx(fit_temperature(rows.logits, rows.labels), abs=1e-6)


def test_what_is_written_is_what_is_returned_and_the_outputs_are_beside_it(evaluated):
    folder, metrics = evaluated
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    read = read_out_of_fold(folder, CLASSES)
    assert read.predictions.logits.tobytes() == JUDGED.predictions.logits.tobytes()
    assert {path.name for path in folder.iterdir()} == {
        "metrics.json",
        "confusion.csv",
        "per_class.csv",
        "out_of_fold.csv",
        "out_of_fold.npy",
    }
    assert metrics["unseen"]["most_confused"][0][2] > 0


def test_the_same_outputs_give_the_same_bytes(evaluated, tmp_path):
    folder, _ = evaluated
    evaluate_out_of_fold(tmp_path, made_up(), CLASS_OF, TERMS)
    for path in folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_photographs_that_could_not_be_predicted_are_counted(tmp_path):
    metrics = evaluate_out_of_fold(tmp_path, JUDGED, CLASS_OF | {"train/pen/1": "pen", "train/pen/2": "pen"}, TERMS)
    assert metrics["unpredicted"] == {"images": 2, "classes": ["pen"]}


def test_a_dataset_without_test_photographs_has_no_figures_on_them(tmp_path):
    rows = np.char.startswith(JUDGED.predictions.images, "train/")
    metrics = evaluate_out_of_fold(tmp_path, JUDGED.where(rows), CLASS_OF, TERMS)
    assert metrics["unseen_test"] is None is metrics["unseen_noisy_test"]
    assert metrics["unseen"] == metrics["unseen_train"]


def test_without_any_fold_there_is_a_reason_and_a_file_that_can_be_read(tmp_path):
    metrics = no_figures(tmp_path, "Add images that differ", CLASS_OF, TERMS)
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    assert unseen_in_short(metrics) == {"unseen": None, "unseen_noisy": None, "obstacle": "Add images that differ"}
    assert metrics["unpredicted"]["images"] == len(CLASS_OF)
    assert len(read_out_of_fold(tmp_path, CLASSES).predictions) == 0


def test_an_evaluation_repeats_figures_and_no_tables(evaluated):
    _, metrics = evaluated
    repeated = unseen_in_short(metrics)
    assert repeated["unseen"]["top1"] == metrics["unseen"]["top1"]
    assert not [value for value in repeated["unseen"].values() if isinstance(value, dict | list)]
