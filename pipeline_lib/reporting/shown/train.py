"""What stage ``train`` shows, of a head on features, of a tuned backbone, and of LeNet-5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline_lib.reporting import figures
from pipeline_lib.reporting.blocks import Images, Results, Shown, facts, scalars, settings_of
from pipeline_lib.reporting.formats import percent
from pipeline_lib.reporting.pictures import drawn

FORMS = {"report": "ReLU, max pooling", "classic": "tanh, average pooling"}
"""What `settings.network.form` means."""


def show(results: Results) -> Shown:
    """Show the curves over the epochs, what was trained on what, and how sure the network may be of itself."""
    (ref,) = results.values()
    model, settings = ref.manifest().summary, settings_of(results)
    history = figures.read_history(ref.folder / "history.csv")
    form = FORMS.get(settings.get("network.form", ""))
    rows = {
        **({"network": f"LeNet-5, {form}"} if form else {}),
        "parameters trained": model["parameters"],
        "images trained on": model["train_images"],
        "images validated on": model["val_images"],
        **_validation(model),
        **({"accuracy on test in the curve": "for reading along; nothing depends on it"} if "test_top1" in history else {}),
        "epochs": model["epochs"],
        "best epoch": model["best_epoch"],
        "stopped early": model["stopped_early"],
        **_calibration(model),
    }
    return Shown(
        "Training",
        f"epoch {model['best_epoch']} of {model['epochs']}, {100 * model['val_top1']:.1f}% on validation",
        f"LeNet-5 ({form}), trained from scratch." if form else "",
        blocks=[*facts(rows), _curves(history, model["best_epoch"]), *facts(scalars(model), "All figures", "detail")],
        settings=settings,
    )


def _validation(model: Mapping[str, Any]) -> dict[str, str]:
    """Return what judged the epochs, and what a tuned backbone owes to it."""
    if "frozen" not in model:
        return {"validation part": "the last images of each class of train, sources kept together; it alone chooses the epoch"}
    if model["frozen"].startswith("after:"):
        return {
            "validation part": "the last images of each class of train, sources kept together; it alone chooses the epoch",
            "frozen": f"all after {model['frozen'].removeprefix('after:')}; up to it the backbone has learned, without labels, "
            "to give a noisy view the features of the clean photograph",
        }
    return {
        "validation part": "a fold of train by source; it alone chooses epoch and share",
        "frozen": "nothing" if model["frozen"] == "none" else f"up to {model['frozen']}",
        "share of the tuned parameters": f"{percent(model['share'])}; the rest is the start, the head on the frozen backbone",
    }


def _curves(history: figures.History, best: int) -> Images:
    curves = [
        *drawn("loss", figures.loss_curve(history, best), "Line chart: loss over the epochs."),
        *drawn("accuracy", figures.accuracy_curve(history, best), "Line chart: accuracy over the epochs."),
        *drawn("learning-rate", figures.learning_rate_curve(history), "Line chart: learning rate over the epochs."),
    ]
    epochs = len(history["epoch"])
    note = f"{epochs} epoch{'' if epochs == 1 else 's'}; the parameters of epoch {best} were kept (dashed line)."
    return Images(curves, "third", note=note)


def _calibration(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return what temperature scaling did on held-out images of train."""
    before, after = percent(model["held_out_ece_before"]), percent(model["held_out_ece_after"])
    scaled = model["temperature"] != 1
    kept = f"{before}, scaled {after}" if scaled else f"{before}; scaling does not help (it would be {after})"
    label = f"calibration error of {model['held_out_images']:,} held-out images of train"
    return {"temperature": round(model["temperature"], 3), label: kept}
