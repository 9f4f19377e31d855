"""What the report of ``lenet-mnist`` says: the stages' results in words and figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline_lib.reporting.content import Facts, ReportContent, Timing
from pipeline_lib.reporting.provenance import commit, versions
from pipeline_lib.settings import LenetSettings
from pipeline_lib.stages import Ref

NAMES = {"mnist": "MNIST", "digits": "scikit-learn's digits (not MNIST)"}
FORMS = {"report": "ReLU, max pooling", "classic": "tanh, average pooling"}


def lenet_content(stages: Mapping[str, Ref], settings: LenetSettings) -> ReportContent:
    """Return what the report shows.

    Args:
        stages: References to the results of dataset, model and scores.
        settings: All settings of the run.
    """
    manifests = {stage: ref.manifest() for stage, ref in stages.items()}
    dataset, model = manifests["dataset"].summary, manifests["model"].summary
    form = FORMS[settings.network.form]
    return ReportContent(
        title=f"LeNet-5 on {NAMES.get(dataset['kind'], dataset['name'])}",
        summary=f"LeNet-5 ({form}), trained from scratch. The data: {dataset['what']}.",
        notices=_notices(dataset),
        dataset=_dataset_facts(dataset),
        class_counts=dataset["counts"],
        model=_model_facts(form, model),
        history=stages["model"].folder / "history.csv",
        best_epoch=model["best_epoch"],
        evaluation=stages["scores"].folder,
        settings=settings.model_dump(mode="json"),
        timings=tuple(Timing(stage=each.stage, seconds=each.seconds) for each in manifests.values()),
        versions=versions(),
        commit=commit(),
    )


def _notices(dataset: Mapping[str, Any]) -> tuple[str, ...]:
    notices = []
    if dataset["kind"] == "digits":
        notices.append(
            "This is not MNIST but the small set of handwritten digits that scikit-learn ships. Its figures must not be "
            "compared with figures on MNIST."
        )
    if dataset["test_split"] != "given":
        notices.append("The dataset came without a test split; the last images of each class were set aside as test.")
    return tuple(notices)


def _dataset_facts(dataset: Mapping[str, Any]) -> Facts:
    facts: Facts = {"name": dataset["name"], "what it is": dataset["what"], "classes": len(dataset["classes"])}
    facts |= {f"{split} images": sum(counts.values()) for split, counts in dataset["counts"].items()}
    return facts | {"test split": dataset["test_split"], "broken images set aside": dataset["set_aside"]}


def _model_facts(form: str, model: Mapping[str, Any]) -> Facts:
    return {
        "network": f"LeNet-5, {form}",
        "parameters": model["parameters"],
        "images trained on": model["train_images"],
        "images validated on": model["val_images"],
        "validation part": "the last images of each class of train; it alone chooses the epoch",
        "accuracy on test in the curve": "for reading along; nothing depends on it",
        "epochs": model["epochs"],
        "stopped early": model["stopped_early"],
        "best epoch": model["best_epoch"],
        "temperature": round(model["temperature"], 3),
    }
