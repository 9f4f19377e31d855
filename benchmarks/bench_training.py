"""Training the head on cached features, to the accuracy of logistic regression."""

from __future__ import annotations

import bench_features
from measure import Asked, Contender, Measured, last_json, output, say, script
from places import Places
from targets import Target, ratio

SECTION = "Training the head"
OWN, REPORT, LOGISTIC = "this project", "the report's loop", "scikit-learn, LogisticRegression"
FIGURES = {"ms_per_epoch": "ms per epoch", "seconds": "s in total", "accuracy": "top-1 on test"}
EPOCHS = 100
"""Epochs of a training of the report."""

ABOUT = (
    "The clean views of train, judged on test; this project holds out 1 % of train, which its trainer requires. All learn "
    "from the same cached features. This project: `train_head` with everything it does (holding out, validating, "
    "checkpoints, compiling) in *s in total*; *ms per epoch* is the difference of a training with more epochs and one with "
    "fewer. The report's loop: each epoch loads each batch's feature maps (batch x 1280 x 7 x 7) from its `.npy` file, then "
    "pooling, dropout, dense layer, `SoftmaxCrossEntropyWithLogits`, `Momentum`; compiling not counted. LogisticRegression: "
    "default C, lbfgs, until it converges; reading the features included. Number of epochs and learning rate of the cosine "
    "schedule are the fewest that reach the accuracy of LogisticRegression, found beforehand, once and untimed; the "
    "report's loop uses the same."
)


def end_to_end(measured: Measured) -> float | None:
    """Return the report's seconds over this project's for the features of 2,000 images and 100 epochs on them."""
    figures = []
    for features, training in ((bench_features.REPORT, REPORT), (bench_features.ONNX, OWN)):
        rate = measured.median(bench_features.SECTION, features, "images_per_second")
        epoch = measured.median(SECTION, training, "ms_per_epoch")
        if rate is None or epoch is None:
            return None
        figures.append(2000 / rate + EPOCHS * epoch / 1000)
    return figures[0] / figures[1]


TARGETS = (
    Target(
        SECTION, "one epoch: the report's loop / this project",
        ratio((SECTION, REPORT, "ms_per_epoch"), (SECTION, OWN, "ms_per_epoch")), "at least", 40,
    ),
    Target(
        SECTION, "to equal accuracy: this project / LogisticRegression, seconds",
        ratio((SECTION, OWN, "seconds"), (SECTION, LOGISTIC, "seconds")), "at most", 1,
    ),
    Target(
        SECTION, "to equal accuracy: top-1 of this project / of LogisticRegression",
        ratio((SECTION, OWN, "accuracy"), (SECTION, LOGISTIC, "accuracy")), "at least", 1,
    ),
    Target(
        SECTION, "end to end: the report's way / this project, seconds of the features of 2,000 images and one training of 100 "
        "epochs (computed from the medians)", end_to_end, "at least", 8,
    ),
)  # fmt: skip


def contenders(places: Places, asked: Asked) -> list[Contender]:
    """Cache features, look for the number of epochs, and return what is measured."""
    work = ("--work", places.work)
    output(script("measured/features_cached.py", *work), places)
    logistic = script("measured/head_logistic.py", *work)
    wanted = last_json(output(logistic, places))["accuracy"]
    most = 3 if asked.quick else 100
    found = last_json(output(script("measured/head.py", *work, "--reach", wanted, "--epochs", most), places))
    say(f"{SECTION}: LogisticRegression {wanted:.4f}; this project {found}")
    schedule = ("--epochs", found["epochs"], "--rate", found["rate"])
    more = ("--more-epochs", 4) if asked.quick else ()
    return [
        Contender(OWN, script("measured/head.py", *work, *schedule, *more), FIGURES),
        Contender(REPORT, script("measured/head_report.py", *work, *schedule), FIGURES, most=3),
        Contender(LOGISTIC, logistic, {name: FIGURES[name] for name in ("seconds", "accuracy")}),
    ]
