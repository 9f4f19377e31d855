"""A run that is asked for exports: what it writes, and that it is kept like every other result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from support import CommandLine, Finished

EXPORTS = {"export__formats": ["onnx", "labels"]}


def test_a_run_exports_its_model_once_and_the_file_answers_as_predict_does(
    garbage: CommandLine, tiny_dataset: Path, first: Finished
) -> None:
    finished = garbage.run(tiny_dataset, **EXPORTS)
    assert {name for name, status in finished.statuses.items() if status == "computed"} == {"export", "report"}
    exported = Path(finished.json["export"])
    assert sorted(path.name for path in exported.iterdir()) == ["labels.csv", "manifest.json", "model.onnx"]
    assert (garbage.artifacts / "latest/garbage-finetune" / tiny_dataset.name / "export").resolve() == exported.resolve()
    assert "model.onnx" in Path(finished.json["report"]).read_text(encoding="utf-8")

    photograph = next((tiny_dataset / "test" / "Cans").iterdir())
    session = onnxruntime.InferenceSession(exported / "model.onnx")
    with Image.open(photograph) as image:
        (answer,) = session.run(["probabilities"], {"images": np.asarray(image.convert("RGB"))[None]})[0]
    predicted = garbage("predict", "--json", photograph, "--model", finished.json["model"]).json[0]
    assert answer.max() == pytest.approx(predicted["probability"], abs=0.01)

    assert set(garbage.run(tiny_dataset, **EXPORTS).statuses.values()) == {"reused"}
