"""What the report of ``lenet-mnist`` says: the stages' results in words and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline_lib.reporting.content import Facts, ReportContent
from pipeline_lib.reporting.facts import calibration_facts, timing
from pipeline_lib.reporting.provenance import commit, versions
from pipeline_lib.settings.sections import LenetSettings
from pipeline_lib.stages.store import Ref

NAMES = {"mnist": "MNIST", "digits": "scikit-learn's digits (not MNIST)"}
FORMS = {"report": "ReLU, max pooling", "classic": "tanh, average pooling"}


def lenet_content(results: Mapping[str, Sequence[Ref]], settings: LenetSettings) -> ReportContent:
    """Return what the report shows.

    Args:
        results: The results of every stage, in the order of the run: one, or one a shard.
        settings: All settings of the run.
    """
    stages = {stage: refs[0] for stage, refs in results.items()}
    dataset, model = stages["dataset"].manifest().summary, stages["train"].manifest().summary
    form = FORMS[settings.network.form]
    return ReportContent(
        title=f"LeNet-5 on {NAMES.get(dataset['kind'], dataset['name'])}",
        summary=f"LeNet-5 ({form}), trained from scratch. The data: {dataset['what']}.",
        notices=_notices(dataset),
        dataset=_dataset_facts(dataset),
        class_counts=dataset["counts"],
        model=_model_facts(form, model),
        history=stages["train"].folder / "history.csv",
        best_epoch=model["best_epoch"],
        evaluation=stages["evaluate"].folder,
        settings=settings.model_dump(mode="json"),
        timings=tuple(timing(stage, [ref.manifest() for ref in refs]) for stage, refs in results.items()),
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
    } | calibration_facts(model)
