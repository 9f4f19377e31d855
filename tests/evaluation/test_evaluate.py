import csv
import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from support import TEST_VIEWS

from pipeline_lib.errors import PipelineError
from pipeline_lib.evaluation.evaluate import Subject, evaluate_model
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.settings.sections import EvaluateSettings

CLASSES = ("Bottle", "Can", "NA", 'a,"b"\n<i>')
BINS = ("dry", "dry", "wet", "wet")
VIEWS = tuple(view.name for view in TEST_VIEWS)


def open_image(key):
    return Image.new("RGBA", (300, 200), (len(key) * 5 % 256, 80, 80, 255))


def make_subject(classes=CLASSES, views=VIEWS, images=6, noise=1.5, **changes):
    """Return a network that is right more often the clearer the view, on `images` images of each class."""
    rng = np.random.default_rng(0)
    rows = [
        (f"test/{name}/{number}.jpg", label, view)
        for view in views
        for label, name in enumerate(classes)
        for number in range(images)
    ]
    keys, labels, names = (np.array(column) for column in zip(*rows, strict=True))
    strength = np.where(names == "clean", 3.0, 1.5)[:, None]
    logits = strength * np.eye(len(classes))[labels] + noise * rng.normal(size=(len(rows), len(classes)))
    subject = Subject(Predictions(keys, labels, names, logits.astype(np.float32)), classes, 0.7, views=TEST_VIEWS)
    return replace(subject, **changes)


def evaluate(folder, subject, **settings):
    return evaluate_model(folder, subject, EvaluateSettings(**settings), open_image=open_image, seed=1)


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def digests(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated")
    subject = make_subject(bins=BINS, leaked={"test/Can/0.jpg", "test/Can/1.jpg", "test/Gone/9.jpg"})
    return folder, subject, evaluate(folder, subject)


def test_returns_what_it_writes(evaluated):
    folder, _, metrics = evaluated
    assert json.loads((folder / "metrics.json").read_text(encoding="utf-8")) == metrics


def test_each_set_of_rows_has_its_figures(evaluated):
    _, subject, metrics = evaluated
    predictions = subject.predictions
    clean = predictions.where(predictions.views == "clean")
    test = metrics["test"]
    assert test["top1"] == pytest.approx((clean.predicted == clean.labels).mean(), abs=1e-6)
    assert (test["n"], test["images"], test["n_effective"]) == (24, 24, 24)
    assert test["top1_low"] < test["top1"] < test["top1_high"]
    assert test["top1"] <= test["top5"] == 1.0
    assert test["top1"] <= test["bin_accuracy"]
    assert metrics["test_without_leaks"]["n"] == 22
    assert metrics["leaked_images"] == 2
    assert (metrics["data_new_test"]["n"], metrics["data_new_test"]["images"]) == (48, 24)
    assert 24 <= metrics["data_new_test"]["n_effective"] <= 48
    assert metrics["data_new_test_without_leaks"]["n"] == 44
    assert metrics["top_k"] == 4


def test_leaks_change_the_figures_only_by_their_absence(evaluated):
    _, subject, metrics = evaluated
    predictions = subject.predictions
    kept = (predictions.views == "clean") & ~np.isin(predictions.images, list(subject.leaked))
    expected = (predictions.predicted == predictions.labels)[kept].mean()
    assert metrics["test_without_leaks"]["top1"] == pytest.approx(expected, abs=1e-6)


def test_every_figure_and_table_has_a_counterpart_on_the_images_that_do_not_leak(evaluated, tmp_path):
    folder, subject, metrics = evaluated
    predictions = subject.predictions
    kept = predictions.where(~np.isin(predictions.images, list(subject.leaked)))
    alone = evaluate(tmp_path, replace(subject, predictions=kept, leaked=()))
    for name in ("test", "data_new_test", "robustness"):
        assert metrics[f"{name}_without_leaks"] == alone[name]
        assert metrics[f"{name}_without_leaks"] != metrics[name]
    for name in ("per_class", "confusion", "robustness"):
        assert (folder / f"{name}_without_leaks.csv").read_bytes() == (tmp_path / f"{name}.csv").read_bytes()
    assert {"ece", "ece_before", "reliability", "bins", "most_confused"} <= set(metrics["test_without_leaks"])
    names = list(metrics)
    assert names.index("test_without_leaks") < names.index("test")


def test_copies_of_test_images_do_not_narrow_an_interval(tmp_path):
    """Twelve images, all right; then seven copies of each."""
    subject = make_subject(noise=0.01, images=3)
    once = subject.predictions
    many = [replace(once, images=np.char.add(once.images, f"-copy{number}")) for number in range(8)]
    copied = Predictions(
        *(np.concatenate([getattr(part, name) for part in many]) for name in ("images", "labels", "views", "logits")),
        group_of={image: image.partition("-copy")[0] for part in many for image in part.images.tolist()},
    )
    few, more = (evaluate(tmp_path / str(len(rows)), replace(subject, predictions=rows, bins=BINS)) for rows in (once, copied))
    for scores in (few["test"], more["test"]):
        assert (scores["top1_low"], scores["top1_high"]) == (pytest.approx(0.758, abs=1e-3), 1.0)
    assert more["test"]["images"] == 8 * few["test"]["images"]
    assert more["test"]["n_effective"] == pytest.approx(few["test"]["n_effective"])
    assert more["data_new_test"]["top1_low"] == pytest.approx(few["data_new_test"]["top1_low"])
    for name in ("low", "high"):
        assert [bin_[name] for bin_ in more["test"]["bins"]] == pytest.approx([bin_[name] for bin_ in few["test"]["bins"]])
        assert [cell[name] for cell in more["robustness"]] == pytest.approx([cell[name] for cell in few["robustness"]])


def test_a_mistake_inside_the_right_bin_is_right_for_the_bin(evaluated):
    _, subject, metrics = evaluated
    clean = subject.predictions.where(subject.predictions.views == "clean")
    for row, members in zip(metrics["test"]["bins"], ({0, 1}, {2, 3}), strict=True):
        true, said = np.isin(clean.labels, list(members)), np.isin(clean.predicted, list(members))
        assert row["recall"] == pytest.approx((true & said).sum() / true.sum(), abs=1e-6)
        assert row["precision"] == pytest.approx((true & said).sum() / said.sum(), abs=1e-6)
        assert row["low"] <= row["recall"] <= row["high"]
    assert [row["bin"] for row in metrics["test"]["bins"]] == ["dry", "wet"]


def test_tables_keep_every_name_and_every_row(evaluated):
    folder, subject, metrics = evaluated
    rows = table(folder / "predictions.csv")
    assert len(rows) == len(subject.predictions)
    assert {row["class"] for row in rows} == set(CLASSES)
    clean = [row for row in rows if row["view"] == "clean"]
    assert np.mean([row["correct"] == "1" for row in clean]) == pytest.approx(metrics["test"]["top1"], abs=1e-6)
    assert all((row["rank"] == "1") == (row["correct"] == "1") == (row["class"] == row["predicted"]) for row in rows)
    assert {row["image"] for row in rows if row["leaked"] == "1"} == {"test/Can/0.jpg", "test/Can/1.jpg"}
    assert {(row["class"], row["bin"]) for row in rows} == set(zip(CLASSES, BINS, strict=True))
    assert [row["class"] for row in table(folder / "per_class.csv")] == list(CLASSES)
    assert len(table(folder / "tsne.csv")) == 24


def test_the_confusion_matrix_counts_clean_images(evaluated):
    folder, _, metrics = evaluated
    with (folder / "confusion.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    assert header[1:] == [row[0] for row in rows] == list(CLASSES)
    counts = np.array([row[1:] for row in rows]).astype(int)
    assert counts.sum(axis=1).tolist() == [6] * 4
    assert np.trace(counts) == round(24 * metrics["test"]["top1"])
    for true, said, count in metrics["test"]["most_confused"]:
        assert counts[CLASSES.index(true), CLASSES.index(said)] == count > 0


def test_calibration_is_measured_before_and_after_scaling(evaluated):
    _, subject, metrics = evaluated
    same = make_subject(temperature=1.0)
    test = metrics["test"]
    assert test["ece_before"] != test["ece"]
    assert 0 < test["ece_of_chance"] < 1
    assert metrics["temperature"] == 0.7
    assert [len(test["reliability"][when]) for when in ("before", "after")] == [15, 15]
    assert subject.predictions.predicted.tolist() == same.predictions.predicted.tolist()


def test_the_grid_has_a_cell_for_each_view(evaluated):
    folder, _, metrics = evaluated
    assert [(cell["sigma"], cell["angle"]) for cell in metrics["robustness"]] == [(0, 0), (0, 30), (25, 0), (25, 30)]
    assert [(float(row["sigma"]), float(row["top1"])) for row in table(folder / "robustness.csv")] == [
        (cell["sigma"], cell["top1"]) for cell in metrics["robustness"]
    ]


def test_mistakes_are_pictures_the_surest_first(evaluated):
    folder, _, metrics = evaluated
    mistakes = metrics["mistakes"]
    assert len(mistakes) == 24 - round(24 * metrics["test"]["top1"]) > 1
    assert [item["confidence"] for item in mistakes] == sorted((item["confidence"] for item in mistakes), reverse=True)
    for item in mistakes:
        assert item["class"] != item["predicted"]
        assert item["class_probability"] <= item["confidence"]
        assert item["image"].startswith(f"test/{item['class']}/")
        with Image.open(folder / item["picture"]) as picture:
            assert picture.size == (160, 107)


def test_no_more_mistakes_than_asked_for(tmp_path):
    assert len(evaluate(tmp_path, make_subject(), mistakes=1)["mistakes"]) == 1
    assert [path.name for path in (tmp_path / "mistakes").iterdir()] == ["01.jpg"]


def test_same_input_gives_the_same_bytes(evaluated, tmp_path):
    folder, subject, _ = evaluated
    evaluate(tmp_path, subject)
    assert digests(tmp_path) == digests(folder)


def test_one_view_without_bins_leaks_or_mistakes_leaves_those_parts_empty(tmp_path):
    metrics = evaluate(tmp_path, make_subject(("0", "1"), views=("clean",), noise=0.1))
    assert (metrics["test"]["top1"], metrics["top_k"]) == (1.0, 2)
    assert metrics["test_without_leaks"] == metrics["test"]
    assert "bin_accuracy" not in metrics["test"]
    assert [metrics["data_new_test"], metrics["test"]["bins"], metrics["robustness"]] == [None] * 3
    assert (metrics["leaked_images"], metrics["mistakes"], metrics["test"]["most_confused"]) == (0, [], [])
    assert not (tmp_path / "robustness.csv").exists()
    assert not list(tmp_path.glob("*_without_leaks.csv"))
    assert not (tmp_path / "mistakes").exists()


def test_without_clean_views_the_test_figures_are_null(tmp_path):
    metrics = evaluate(tmp_path, make_subject(views=("aug1", "aug2")))
    assert metrics["data_new_test"]["n"] == 48
    assert [metrics[key] for key in ("test", "test_without_leaks", "mistakes")] == [None] * 3


def test_a_test_set_that_leaks_altogether_has_no_figure_without_leaks(tmp_path):
    subject = make_subject(views=("clean",))
    metrics = evaluate(tmp_path, replace(subject, leaked=set(subject.predictions.images.tolist())))
    assert (metrics["leaked_images"], metrics["test_without_leaks"]) == (24, None)


def test_a_handful_of_images_is_evaluated_without_a_map(tmp_path):
    assert evaluate(tmp_path, make_subject(("a", "b"), views=("clean",), images=1))["test"]["n"] == 2
    assert not (tmp_path / "tsne.csv").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ("a", "b")}, "4 outputs but the dataset has 2 classes"),
        ({"temperature": 0.0}, "not above 0"),
        ({"temperature": float("nan")}, "not above 0"),
        ({"predictions": make_subject().predictions.where(np.zeros(144, bool))}, "no test image"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(changes, message):
    with pytest.raises(PipelineError, match=message):
        replace(make_subject(), **changes)


def test_corrected_labels_have_figures_of_their_own_beside_those_as_delivered(tmp_path):
    subject = make_subject()
    clean = subject.predictions.where(subject.predictions.views == "clean")
    wrong = np.flatnonzero(clean.predicted != clean.labels)
    said = {str(clean.images[row]): int(clean.predicted[row]) for row in wrong}
    delivered = evaluate(tmp_path / "delivered", subject)
    corrected = evaluate(tmp_path / "corrected", replace(subject, corrections=said | {"test/Can/0.jpg": None}))
    assert said
    assert (corrected["corrections"], delivered["corrections"]) == (len(said.keys() | {"test/Can/0.jpg"}), 0)
    assert {name: corrected[name] for name in delivered if name != "corrections"} == {
        name: delivered[name] for name in delivered if name != "corrections"
    }
    assert corrected["test_corrected"]["images"] == delivered["test"]["images"] - 1
    assert corrected["test_corrected"]["top1"] == 1.0
    assert corrected["data_new_test_corrected"]["n"] == delivered["data_new_test"]["n"] - 2
