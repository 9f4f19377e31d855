"""A folder of exports is whole or not there, and what is in it was compared with the model; what falls short is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image, ImageChops
from support import PROJECT

from cli.export import FORMATS as OFFERED
from pipeline_lib.data.embedded import sample_pictures
from pipeline_lib.errors import PipelineError
from pipeline_lib.evaluation.comparison import Estimate
from pipeline_lib.export.export import export
from pipeline_lib.export.formats import FORMATS, Session
from pipeline_lib.export.graph import backbone_graph
from pipeline_lib.export.photographs import Photograph, Photographs, find_photographs
from pipeline_lib.export.quantisation import FLOAT
from pipeline_lib.export.refit import refit
from pipeline_lib.export.source import Source, read_source
from pipeline_lib.export.validation import EXACT, ROUNDED, Bars, Compared, Validation
from pipeline_lib.files.table import read_table
from pipeline_lib.images.prepare import GreyPreprocessing
from pipeline_lib.models.lenet5 import LeNet5, NetworkSpec
from pipeline_lib.models.parameters import write_parameters

TINTS = ((255, 60, 60), (60, 255, 60), (60, 60, 255))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of the user's: of two of the model's classes, of none, and a file that is no image."""
    root = tmp_path_factory.mktemp("photographs")
    for number, picture in enumerate(sample_pictures(8)):
        label = ("battery", "Cans", "new")[number % 3]
        (root / label).mkdir(exist_ok=True)
        picture.resize((90, 70)).save(root / label / f"{number}.png")
    (root / "Cans" / "broken.png").write_bytes(b"no picture")
    return root


@pytest.fixture(scope="module")
def photographs(source: Source, folder: Path) -> Photographs:
    return find_photographs(source, folder, folder)


def swapped(source: Source) -> Source:
    """A model of which a wrong export would be made: with red for blue."""
    preprocessing = source.spec.preprocessing.model_copy(update={"channels": "BGR"})
    return replace(source, spec=source.spec.model_copy(update={"preprocessing": preprocessing}))


def test_the_command_offers_every_format() -> None:
    assert tuple(FORMATS) == OFFERED


def test_an_export_is_what_was_compared(source: Source, photographs: Photographs, tmp_path: Path) -> None:
    (made, labels) = export(source, tmp_path / "out", ("labels", "onnx"), photographs)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "README.md",
        "labels.csv",
        "model.onnx",
        "out",
        "validation.json",
    ]
    assert made.validation is not None
    assert labels.validation is None
    views = {view.view: view for view in made.validation.views}
    assert set(views) == {"clean", "noisy", "scaled"}
    assert all(view.photographs == 8 and view.agreement == 1 and view.difference < 0.03 for view in views.values())
    read = json.loads((tmp_path / "out" / "validation.json").read_text(encoding="utf-8"))
    assert read["model"] == source.digest
    assert [file["sha256"] for file in read["files"]] == [made.sha256, labels.sha256]
    page = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert made.sha256 in page
    assert "On 8 photographs of" in page
    assert [row["class_zh"] for row in read_table(tmp_path / "out" / "labels.csv")] == ["电池", "易拉罐", ""]


def test_accuracy_is_that_of_the_photographs_whose_label_the_model_knows(
    source: Source, photographs: Photographs, tmp_path: Path
) -> None:
    labels = {Path(each.key).parent.name: each.label for each in photographs.judged}
    assert labels == {"battery": "Battery", "Cans": "Cans", "new": None}
    (made,) = export(source, tmp_path / "out", ["onnx"], photographs)
    known = [each for each in photographs.judged if each.label]
    answered = [source.model.classes[source.model.answers([each.read()]).probabilities.argmax()] for each in known]
    share = np.mean([answer == each.label for answer, each in zip(answered, known, strict=True)])
    assert made.validation is not None
    clean = made.validation.views[0]
    assert clean.export == clean.model
    assert clean.model is not None
    assert clean.model.value == share


def test_an_export_with_swapped_colours_is_refused_and_leaves_nothing(
    source: Source, photographs: Photographs, tmp_path: Path
) -> None:
    with pytest.raises(PipelineError, match=r"model.onnx does not answer as the model does and was not written: on \w+ photo"):
        export(swapped(source), tmp_path / "out", ["onnx"], photographs)
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_export_is_replaced_and_survives_one_that_fails(
    source: Source, photographs: Photographs, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    export(source, target, ["onnx", "labels"], photographs)
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    with pytest.raises(PipelineError):
        export(swapped(source), target, ["onnx"], photographs)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    export(source, target, ["onnx"], photographs)
    assert {path.name for path in target.iterdir()} == before.keys() - {"labels.csv"}
    assert (target / "model.onnx").read_bytes() == before["model.onnx"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("present", [("notes.txt",), ("model.onnx",), ("validation.json", "notes.txt")])
def test_files_of_somebody_else_are_not_overwritten(
    source: Source, photographs: Photographs, tmp_path: Path, present: tuple[str, ...]
) -> None:
    for name in present:
        (tmp_path / name).write_text("mine")
    with pytest.raises(PipelineError, match="holds files that are no export, such as"):
        export(source, tmp_path, ["labels"], photographs)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(present, "mine")


@pytest.fixture(scope="module")
def labelled(source: Source, photographs: Photographs) -> Photographs:
    """Photographs with labels of train: three classes by their colour, four photographs each."""
    pictures = sample_pictures(12)

    def photograph(number: int) -> Photograph:
        tinted = ImageChops.multiply(pictures[number], Image.new("RGB", pictures[number].size, TINTS[number % 3]))
        return Photograph(f"train/{number}", source.head.spec.classes[number % 3], f"{number}", tinted.copy)

    return replace(photographs, train=tuple(photograph(number) for number in range(12)))


def test_int8_has_whole_numbers_for_weights_a_head_of_its_own_and_the_same_bytes_every_time(
    source: Source, labelled: Photographs, tmp_path: Path
) -> None:
    files = [tmp_path / "first.onnx", tmp_path / "second.onnx"]
    held_out = [FORMATS["int8"].write(file, source, labelled) for file in files]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert held_out[0] == held_out[1]
    assert [(each.view, each.photographs) for each in held_out[0]] == [("clean, out of fold", 12), ("noisy, out of fold", 24)]
    model = onnx.load(files[0])
    onnx.checker.check_model(model, full_check=True)
    weights = [array for array in model.graph.initializer if len(array.dims) == 4 and array.name.startswith("backbone/")]
    kinds = [onnx.TensorProto.DataType.Name(array.data_type) for array in weights]
    assert kinds.count("FLOAT") == FLOAT
    assert kinds.count("INT8") == len(kinds) - FLOAT
    assert files[0].stat().st_size < 0.6 * (source.backbone / "backbone.onnx").stat().st_size
    right = [source.head.spec.classes[Session(files[0], source)(each.read()).argmax()] == each.label for each in labelled.train]
    assert np.mean(right) > 0.8, "the head of the file has learned photographs that the model has never seen"


def test_a_backbone_that_is_the_same_loses_nothing_out_of_fold(source: Source, labelled: Photographs) -> None:
    same = backbone_graph(source)
    for view in refit(source, same, same, labelled.train).held_out:
        assert (view.agreement, view.difference) == (1, 0)
        assert view.gain == Estimate(0, 0, 0)


def test_a_backbone_that_sees_less_is_refused_by_what_it_loses_out_of_fold(source: Source, labelled: Photographs) -> None:
    blind = backbone_graph(source)
    last = blind.graph.output[0].name
    blind.graph.node.append(onnx.helper.make_node("Sub", [last, last], ["nothing"]))
    blind.graph.output[0].name = "nothing"
    held_out = refit(source, backbone_graph(source), blind, labelled.train).held_out
    validation = Validation(views=(), milliseconds=1.0, held_out=held_out)
    with pytest.raises(PipelineError, match=r"^int8 is not good enough and was not written: on clean, out of fold photographs"):
        validation.check("int8", ROUNDED)


def test_int8_without_photographs_of_train_is_refused_in_one_sentence(
    source: Source, photographs: Photographs, tmp_path: Path
) -> None:
    with pytest.raises(PipelineError, match="int8 is calibrated on photographs of train, and the dataset of"):
        export(source, tmp_path / "out", ["int8"], photographs)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("changed", [{}, {"noise_aware": False, "hidden": 5}], ids=str)
def test_mindir_answers_in_mindspore_as_the_model(
    make_model: Callable[..., Source], photographs: Photographs, tmp_path: Path, changed: dict[str, object]
) -> None:
    few = replace(photographs, judged=photographs.judged[:2])
    (made,) = export(make_model(**changed), tmp_path / "out", ["mindir"], few)
    assert made.validation is not None
    assert all(view.difference < 1e-4 for view in made.validation.views)
    assert "loaded and compared in MindSpore" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_without_its_dataset_a_model_is_compared_on_the_sample_and_the_page_says_so(source: Source, tmp_path: Path) -> None:
    found = find_photographs(source, tmp_path, None)
    assert found.what == "pictures of the embedded sample, because the model's dataset is not there"
    assert (len(found.judged), found.train) == (26, ())
    assert {each.label for each in found.judged} == {None}


def test_a_folder_without_photographs_is_refused(source: Source, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="There is no photograph in"):
        find_photographs(source, tmp_path, tmp_path)


def test_a_network_for_grey_images_is_refused(tmp_path: Path) -> None:
    network = LeNet5(3)
    write_parameters(network, tmp_path / "network.ckpt")
    spec = NetworkSpec(
        classes=("0", "1", "2"),
        form="report",
        temperature=1.0,
        best_epoch=1,
        parameters=1,
        preprocessing=GreyPreprocessing(size=28),
    )
    (tmp_path / "network.json").write_text(spec.model_dump_json(), encoding="utf-8")
    with pytest.raises(PipelineError, match="is a network for grey images; only models of photographs can be exported"):
        read_source(tmp_path, "digits")


def compared(agreement: float = 1.0, difference: float = 0.0, gain: Estimate | None = None) -> Validation:
    return Validation((Compared("clean", 100, 1.0, 0.0), Compared("noisy", 100, agreement, difference, gain=gain)), 1.0)


@pytest.mark.parametrize(
    ("validation", "bars", "sentence"),
    [
        (compared(), EXACT, ""),
        (compared(agreement=0.99), EXACT, "on noisy photographs 99.0% have the same class, at least 99.5% must"),
        (compared(difference=0.031), EXACT, "a probability differs by 0.031, at most 0.03 is allowed"),
        (compared(difference=float("nan")), EXACT, "a probability differs by nan"),
        (compared(agreement=0.93, difference=0.9), ROUNDED, ""),
        (compared(gain=Estimate(-0.02, -0.03, -0.01)), ROUNDED, "it loses 2.0 points (1.0 to 3.0), at most 1 is allowed"),
        (compared(gain=Estimate(-0.02, -0.05, 0.01)), ROUNDED, ""),
        (compared(gain=Estimate(-0.009, -0.012, -0.006)), ROUNDED, ""),
        (compared(gain=Estimate(0.05, 0.02, 0.08)), ROUNDED, ""),
    ],
)
def test_an_export_that_does_not_meet_the_bars_is_refused(validation: Validation, bars: Bars, sentence: str) -> None:
    if not sentence:
        validation.check("model.onnx", bars)
        return
    with pytest.raises(PipelineError) as refused:
        validation.check("model.onnx", bars)
    assert sentence in str(refused.value)


def test_an_export_to_onnx_needs_no_mindspore(source: Source, folder: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from cli.main import main; main(sys.argv[1:], standalone_mode=False); "
        "print([name for name in ('mindspore', 'prefect') if name in sys.modules])"
    )
    options = ["export", "--model", source.folder, "--to", tmp_path / "out", "--photographs", folder, "--json"]
    finished = subprocess.run(
        [sys.executable, "-c", program, *map(str, options)], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    described, loaded = finished.stdout.splitlines()
    assert loaded == "[]"
    assert [file["file"] for file in json.loads(described)["files"]] == ["model.onnx", "labels.csv"]


def test_the_page_shows_how_a_file_is_used(source: Source, photographs: Photographs, tmp_path: Path) -> None:
    export(source, tmp_path / "out", ["onnx"], photographs)
    page = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    program = page.partition("```python\n")[2].partition("```")[0]
    picture = photographs.judged[0].read()
    Image.Image.save(picture, tmp_path / "out" / "bin.jpg", quality=100)
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path / "out")
    assert finished.stdout.rpartition(" ")[0] in source.model.classes
