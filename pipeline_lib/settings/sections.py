"""Every setting of the pipeline: type, unit, range, default, and the reason for the default.

This module holds values and nothing else: no function here computes anything a stage depends on. That is why stage keys
cover the values a stage is given and not this file's code (see ``pipeline_lib.stages.key``).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

StageMinutes = Annotated[
    float,
    Field(
        gt=0,
        le=10_080,
        description="Time limit of a stage in minutes, all its shards together; a stage that takes longer fails the run.",
    ),
]


_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "multipleOf": "a multiple of {}",
}


def _show_ranges(schema: dict[str, Any]) -> None:
    """Add each number's range to its description: the run form shows descriptions, but not ranges."""
    for field in schema["properties"].values():
        number = field.get("items", field)
        words = [phrase.format(f"{number[bound]:,.10g}") for bound, phrase in _BOUNDS.items() if bound in number]
        if words:
            field["description"] = f"{field['description']} Allowed: {', '.join(words)}."


class Section(BaseModel):
    """Base of all sections: immutable; unknown names and numbers that are not finite are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, json_schema_extra=_show_ranges)


class DataSettings(Section):
    """Limits on what is accepted as a dataset."""

    max_download_mb: int = Field(2048, ge=1, le=1_000_000, description="Maximum size of a downloaded archive, in MB.")
    max_files: int = Field(200_000, ge=1, le=10_000_000, description="Maximum number of files in an archive.")
    max_unpacked_mb: int = Field(20_480, ge=1, le=10_000_000, description="Maximum size of an unpacked archive, in MB.")
    max_compression: int = Field(
        200, ge=2, le=100_000, description="Maximum ratio of unpacked to packed bytes of one file; photographs stay below 2."
    )
    max_megapixels: float = Field(
        100.0,
        gt=0,
        le=178,
        description="Maximum size of an image in megapixels; larger ones are set aside. Pillow refuses 179.",
    )
    max_lost_share: float = Field(
        0.2, ge=0, le=1, description="Share of one class's images that may be broken before the run stops, 0..1."
    )
    test_share: float = Field(
        0.2, gt=0, lt=1, description="Share of train set aside as test when the dataset has no test split, 0..1."
    )


class PhotographSettings(DataSettings):
    """What is accepted as a dataset of photographs, and which split of it is used."""

    split: Literal["delivered", "by_source"] = Field(
        "delivered",
        description="Which images are test: as delivered, or by_source: divided anew, as many, and no source is in both.",
    )


class ShardSettings(Section):
    """Number of shards into which each view of a split is cut."""

    train: int = Field(8, ge=1, le=1024, description="Shards of train; one changed image recomputes one shard of each view.")
    test: int = Field(2, ge=1, le=1024, description="Shards of test, which is about a tenth of train.")


class AuditSettings(Section):
    """What counts as a duplicate, as tiny and as blank."""

    near_distance: int = Field(
        10,
        ge=0,
        le=16,
        description=(
            "Bits of 64 in which the perceptual hashes of two images, one mirrored or not, may differ if they show the same "
            "picture; their thumbnails must agree as well. 10 finds all copies that were recompressed, shrunk, mirrored or "
            "darkened, and 93 % of those cropped by a tenth; of 245 pairs found among 2,212 real photographs none was "
            "false. Beyond 12 most candidates are different pictures."
        ),
    )
    min_side: int = Field(32, ge=1, le=1024, description="An image with a side of fewer pixels counts as tiny.")
    blank_std: float = Field(
        4.0,
        ge=0,
        le=128,
        description="An image whose grey values have a smaller standard deviation (of 255) counts as near-blank.",
    )


class TrainViewSettings(Section):
    """Augmented views of train: wide, so that the head sees noise and rotation of every strength."""

    views: int = Field(4, ge=0, le=32, description="Augmented views of each training image, in addition to the clean one.")
    sigma_min: float = Field(0.0, ge=0, le=255, description="Minimum standard deviation of the Gaussian noise, of 255.")
    sigma_max: float = Field(
        50.0,
        ge=0,
        le=255,
        description="Maximum standard deviation of the Gaussian noise, of 255: twice that of the test views.",
    )
    angle_max: float = Field(30.0, ge=0, le=180, description="Rotation drawn from -angle..angle degrees.")
    flip: float = Field(0.5, ge=0, le=1, description="Probability of a horizontal flip.")
    crop_min: float = Field(0.7, gt=0, le=1, description="Minimum share of the area that a random crop keeps; 1 = no crop.")
    brightness: float = Field(0.2, ge=0, lt=1, description="Brightness factor drawn from 1-b..1+b.")

    @model_validator(mode="after")
    def _ordered(self) -> TrainViewSettings:
        if self.sigma_min > self.sigma_max:
            raise ValueError(f"sigma_min {self.sigma_min:g} is above sigma_max {self.sigma_max:g}")
        return self


def _distinct(values: tuple[float, ...]) -> tuple[float, ...]:
    """Refuse a cell of the grid that is listed twice; cells are named by six digits."""
    names = [f"{value + 0.0:g}" for value in values]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{repeated[0]} is listed more than once")
    return values


Sigmas = Annotated[tuple[Annotated[float, Field(ge=0, le=255)], ...], AfterValidator(_distinct)]
Angles = Annotated[tuple[Annotated[float, Field(ge=0, le=180)], ...], AfterValidator(_distinct)]


class TestViewSettings(Section):
    """Augmented views of test: fixed noise and the same rotation, the report's noisy copy of the test set."""

    __test__ = False  # pytest would collect a class of this name

    views: int = Field(5, ge=1, le=32, description="Augmented views of each test image; five make the interval narrower.")
    sigma: float = Field(25.0, ge=0, le=255, description="Standard deviation of the Gaussian noise, of 255.")
    angle_max: float = Field(30.0, ge=0, le=180, description="Rotation drawn from -angle..angle degrees.")
    grid_sigmas: Sigmas = Field((0.0, 25.0, 50.0), max_length=8, description="Noise levels (of 255) of the robustness grid.")
    grid_angles: Angles = Field((0.0, 30.0), max_length=8, description="Maximum angles (degrees) of the robustness grid.")


class BackboneSettings(Section):
    """Which pretrained network."""

    architecture: str = Field(
        "mobilenetv2", min_length=1, description="Name of the network's family; garbage backbones lists them."
    )
    weights: str = Field(
        "pretrained",
        min_length=1,
        description=(
            "pretrained (the architecture's default), another name that garbage backbones lists, random, or the path of a "
            "file. The default of mobilenetv2 was trained on ImageNet; its last blocks then on breeds of dogs, at 160 pixels."
        ),
    )
    width: float = Field(1.0, gt=0, le=2, description="Width multiplier; pretrained weights exist for 1.0 only.")
    depths: Literal["several", "last"] = Field(
        "several",
        description=(
            "Features of the last layer and of blocks that the architecture names, or of the last layer alone. Several gain "
            "1 to 2 points out of fold and cost no time: the blocks are computed anyway."
        ),
    )
    noise_aware: bool = Field(
        True,
        description=(
            "Estimate each image's noise, remove it, and give the head the estimate: 3 points more on clean photographs out of "
            "fold, 10 on noisy ones; a noisy image takes 5 ms longer."
        ),
    )
    mirrored: bool = Field(
        False,
        description=(
            "Features of an image are the mean of those of the image and of its mirror image, in training and in use: perhaps "
            "1 point more on clean photographs out of fold (-0.4 to +3.3), for twice the time."
        ),
    )


class FeaturesSettings(Section):
    """How the frozen backbone is run."""

    batch: int = Field(
        2, ge=1, le=1024, description="Images per forward pass; the activations of two images stay in the processor's cache."
    )


Epochs = Annotated[int, Field(ge=1, le=10_000, description="Maximum number of epochs.")]
WarmupEpochs = Annotated[int, Field(ge=0, le=1000, description="Epochs of linear warm-up from lr_start to lr_max.")]
LrStart = Annotated[float, Field(ge=0, le=10, description="Learning rate of the first step of the warm-up.")]
LrMax = Annotated[float, Field(gt=0, le=10, description="Learning rate after warm-up.")]
LrEnd = Annotated[float, Field(ge=0, le=10, description="Learning rate of the last step of the cosine decay.")]
WeightDecay = Annotated[float, Field(ge=0, le=1, description="L2 penalty on weights, not on biases.")]
LabelSmoothing = Annotated[float, Field(ge=0, lt=1, description="Share of the target spread over all classes.")]
BatchSize = Annotated[int, Field(ge=1, le=4096, description="Images per training step.")]
ValShare = Annotated[float, Field(gt=0, lt=0.9, description="Share of train held out to choose epoch and temperature, 0..1.")]
Refit = Annotated[bool, Field(description="Once the epoch is chosen, train again on all of train for as many epochs.")]
Patience = Annotated[int, Field(ge=1, le=10_000, description="Epochs without a better validation loss before training stops.")]
CheckpointEvery = Annotated[int, Field(ge=1, le=10_000, description="Epochs between checkpoints.")]


class TrainingSettings(Section):
    """What every training has in common. Subclasses state the defaults that differ, each with its reason."""

    optimizer: Literal["momentum", "adam"] = Field(
        "momentum", description="momentum, or adam (converges sooner, but needs lr_max near 0.001, and its loss jumps)."
    )
    epochs: Epochs = 100
    warmup_epochs: WarmupEpochs = 5
    lr_start: LrStart = 0.001
    lr_max: LrMax = 0.01
    lr_end: LrEnd = 0.00001
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum; Adam's beta1 keeps 0.9.")
    weight_decay: WeightDecay = 1e-4
    label_smoothing: LabelSmoothing = 0.1
    batch: BatchSize = 64
    val_share: ValShare = 0.15
    refit: Refit = True
    patience: Patience = 20
    checkpoint_every: CheckpointEvery = 5
    keep_checkpoints: int = Field(20, ge=1, le=1000, description="Number of newest checkpoints that are kept.")

    @model_validator(mode="after")
    def _warmup_fits(self) -> TrainingSettings:
        if self.warmup_epochs and self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs} must be below epochs {self.epochs}")
        return self


class TrainSettings(TrainingSettings):
    """The head and its training. The refit is there because at 80 images per class each one counts.

    Rows are standardised, so the features of several depths weigh alike; with more inputs than images it is weight decay that
    keeps the head from learning its rows by heart, better than dropout and smoothed labels do. Epochs, batch and decay reach
    out of fold what the same loss reaches at its minimum: see docs/decisions/021-depths-and-noise.md.
    """

    epochs: Epochs = 20
    warmup_epochs: WarmupEpochs = 2
    weight_decay: WeightDecay = 0.06
    label_smoothing: LabelSmoothing = 0.0
    batch: BatchSize = 128
    patience: Patience = 10
    views: Literal["all", "clean"] = Field("all", description="all views, or clean alone (the report's cautionary tale).")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout on the pooled features.")
    hidden: int = Field(0, ge=0, le=4096, description="Units of a hidden dense layer; 0 = one linear layer.")


class TuneSettings(TrainingSettings):
    """Training a part of the backbone: its end together with the head, or its first blocks before the head.

    An epoch has one view of each image, another one each time. What is trained together with the head starts from the
    finished head (Kumar et al. 2022, arXiv:2202.10054), and decays towards where it starts.
    """

    freeze: str = Field(
        "backbone",
        min_length=1,
        description=(
            "What is not trained: backbone (the head alone is), the name of a block, up to which all is frozen, such as "
            "blocks.12, none (the whole network is trained), or after: and the name of a block, such as after:blocks.5 (what "
            "is up to it learns, without labels, to give a noisy view the features of the clean one, then the head)."
        ),
    )
    epochs: Epochs = 4
    warmup_epochs: WarmupEpochs = 1
    lr_start: LrStart = 0.0
    lr_max: LrMax = 0.001
    weight_decay: WeightDecay = 0.0
    to_start: float = Field(0.001, ge=0, le=1, description="L2 penalty on the distance of all parameters from their start.")
    label_smoothing: LabelSmoothing = 0.0
    batch: BatchSize = 32
    patience: Patience = 4
    checkpoint_every: CheckpointEvery = 1
    keep_checkpoints: int = Field(2, ge=1, le=1000, description="Number of newest checkpoints that are kept.")
    rate_decay: float = Field(
        0.9, gt=0, le=1, description="Factor on the learning rate from a block to the one before it; the head has lr_max."
    )
    shares: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.0, 0.25, 0.5, 0.75, 1.0),
        min_length=1,
        max_length=20,
        description=(
            "Shares of the way from the start to the tuned parameters; the one of least validation loss is kept (WiSE-FT)."
        ),
    )


class CrossValidateSettings(Section):
    """How figures on sources never seen are measured."""

    folds: int = Field(
        5,
        ge=2,
        le=20,
        description=(
            "Folds over train and test together, cut by source: each photograph is judged by a head that was trained on the "
            "other folds. 5 leaves four fifths to train on and takes seconds."
        ),
    )


class EvaluateSettings(Section):
    """How a model is evaluated."""

    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence level of the intervals.")
    ece_bins: int = Field(15, ge=2, le=100, description="Equal-width bins of the expected calibration error (Guo et al. 2017).")
    tsne_images: int = Field(
        2000, ge=10, le=20_000, description="Maximum number of images in the t-SNE projection; its time grows with n log n."
    )
    mistakes: int = Field(12, ge=0, le=100, description="Number of most confident mistakes that are shown as pictures.")


class PromoteSettings(Section):
    """What is asked of a new model before it takes the place of the champion, the model in use."""

    margin: float = Field(
        0.01,
        gt=0,
        le=0.5,
        description=(
            "Loss of out-of-fold top-1 that is not accepted, 0..1: a model that is truly worse by as much is promoted in at "
            "most 2 % of cases. Half of it asks for four times as many photographs."
        ),
    )
    class_margin: float = Field(
        0.1,
        gt=0,
        le=1,
        description="Loss of a single class that a person is to see, 0..1, unless chance explains it: 2 of 20 photographs.",
    )
    calibration_margin: float = Field(
        0.03,
        gt=0,
        le=1,
        description="Rise of the calibration error that a person is to see, 0..1; chance alone gives 0.02 on 2,000 images.",
    )
    floor: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="What the first model of a dataset must exceed out of fold, 0..1; at least the share of the largest class.",
    )


class ExportSettings(Section):
    """The model as files for other runtimes."""

    formats: tuple[Literal["onnx", "int8", "page", "labels"], ...] = Field(
        (),
        max_length=4,
        description=(
            "What a run exports, like garbage export --format; none by default. mindir is left to the command, for its bytes "
            "differ from one export to the next."
        ),
    )


class RetentionSettings(Section):
    """What becomes of older results."""

    keep: int = Field(
        0,
        ge=0,
        le=100_000,
        description=(
            "Runs of each flow on each dataset whose results are kept when a run has finished, like garbage prune --keep; 0 "
            "removes nothing. The nightly keeps 30."
        ),
    )


class SourceSettings(Section):
    """What it takes to find the sources of photographs, in every flow that does."""

    seed: int = Field(1, ge=0, le=2**31 - 1, description="Seed of everything random.")
    image_size: int = Field(
        224,
        ge=32,
        le=512,
        multiple_of=32,
        description="Side of the square images in pixels; the pretrained weights are for 224.",
    )
    stage_minutes: StageMinutes = 240.0
    data: DataSettings = Field(DataSettings(), description="Limits on what is accepted as a dataset.")
    shards: ShardSettings = Field(ShardSettings(), description="Number of shards into which each view of a split is cut.")
    audit: AuditSettings = Field(AuditSettings(), description="What counts as a duplicate, as tiny and as blank.")
    backbone: BackboneSettings = Field(BackboneSettings(), description="Which pretrained network.")
    features: FeaturesSettings = Field(FeaturesSettings(), description="How the frozen backbone is run.")


class SplitSettings(SourceSettings):
    """All sections of the flow ``garbage-split``."""

    test_share: float | None = Field(
        None, gt=0, lt=1, description="Share of each class that becomes test, 0..1; none: the share that is test as delivered."
    )


class Settings(SourceSettings):
    """All sections. ``garbage run --set train.epochs=50`` changes one value, ``--config FILE.yaml`` several."""

    data: PhotographSettings = Field(PhotographSettings(), description="What is accepted as a dataset, and its split.")
    augment_train: TrainViewSettings = Field(TrainViewSettings(), description="Augmented views of train.")
    augment_test: TestViewSettings = Field(TestViewSettings(), description="Augmented views of test, and the robustness grid.")
    train: TrainSettings = Field(TrainSettings(), description="The head and its training.")
    tune: TuneSettings = Field(TuneSettings(), description="Training a part of the backbone together with the head.")
    cross_validate: CrossValidateSettings = Field(
        CrossValidateSettings(), description="How figures on sources never seen are measured."
    )
    evaluate: EvaluateSettings = Field(EvaluateSettings(), description="How a model is evaluated.")
    promote: PromoteSettings = Field(PromoteSettings(), description="What is asked of a new model before it is used.")
    export: ExportSettings = Field(ExportSettings(), description="The model as files for other runtimes.")
    retention: RetentionSettings = Field(RetentionSettings(), description="What becomes of older results.")


class SweepSettings(Settings):
    """All sections of the flow ``garbage-sweep``: what its trials have in common, and the sweep, which changes some of it."""

    sweep: str = Field(
        "optimizers",
        min_length=1,
        description="Which sweep: optimizers, noise, freeze or ladder (of the package), or the path of a file of your own.",
    )


class NetworkSettings(Section):
    """Which LeNet-5."""

    form: Literal["report", "classic"] = Field(
        "report", description="report (ReLU, max pooling) or classic (tanh, average pooling, as in 1998)."
    )


class NetworkTrainSettings(TrainingSettings):
    """The training of the whole network: momentum and batch are the report's, the learning rate is not.

    At the report's constant rate of 0.01 the validation loss jumps from epoch to epoch, and patience 3 ends on a lucky early
    one (epoch 3 of 6, seed 1). Annealed from 0.02, with a small weight decay, it falls until the end and lower, for both forms:
    see docs/decisions/010-lenet-defaults.md.
    """

    epochs: Epochs = 10
    warmup_epochs: WarmupEpochs = 0
    lr_max: LrMax = 0.02
    weight_decay: WeightDecay = 5e-4
    label_smoothing: LabelSmoothing = 0.0
    batch: BatchSize = 32
    val_share: ValShare = 0.1
    refit: Refit = False
    patience: Patience = 3
    checkpoint_every: CheckpointEvery = 1


class LenetSettings(Section):
    """All sections of the flow ``lenet-mnist``. ``--set train.epochs=5`` changes one value."""

    seed: int = Field(1, ge=0, le=2**31 - 1, description="Seed of everything random.")
    stage_minutes: StageMinutes = 240.0
    data: DataSettings = Field(DataSettings(), description="Limits on what is accepted as a dataset.")
    network: NetworkSettings = Field(NetworkSettings(), description="Which LeNet-5.")
    train: NetworkTrainSettings = Field(NetworkTrainSettings(), description="The training of the whole network.")
    evaluate: EvaluateSettings = Field(EvaluateSettings(), description="How a model is evaluated.")
