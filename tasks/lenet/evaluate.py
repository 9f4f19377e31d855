"""Stage ``evaluate`` of ``lenet-mnist``: the model on test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.settings.sections import EvaluateSettings


@stage("evaluate")
def evaluate_stage(folder: Path, *, dataset: Ref, model: Ref, evaluate: EvaluateSettings, seed: int) -> Summary:
    """Judge the model on test; keep its outputs for one image of each class."""
    from PIL import Image

    from pipeline_lib.evaluation.evaluate import Subject, evaluate_model
    from pipeline_lib.evaluation.examples import write_examples
    from pipeline_lib.evaluation.predictions import Predictions
    from pipeline_lib.mnist.arrays import read_split
    from pipeline_lib.mnist.table import PixelTable
    from pipeline_lib.models.inference import Predictor
    from pipeline_lib.models.networks import load_network
    from pipeline_lib.models.outputs import logits_of_table

    network, spec = load_network(model.folder)
    split = read_split(dataset.folder, "test")
    table = PixelTable(split, spec.preprocessing)
    predictions = Predictions(table.images, table.labels, table.views, logits_of_table(Predictor(network).outputs, table))
    places = {key: number for number, key in enumerate(split.keys)}

    def open_image(key: str) -> Image.Image:
        return Image.fromarray(split.images[places[key]])

    subject = Subject(predictions, spec.classes, spec.temperature)
    write_examples(folder, subject, open_image)
    return evaluate_model(folder, subject, evaluate, open_image=open_image, seed=seed)
