"""Every hyperparameter, declared once: name, kind, default, bounds and help.

A TOML section is a frozen dataclass. The command line's options, the checking of config files and
`--print-config` are made from the fields.
"""

# better whole: one declaration per option, to be read from top to bottom

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields
from typing import Any

from mlpcli.config import kinds
from mlpcli.config.defaults import IMAGES, NUMBERS, PLANS, TABLES
from mlpcli.config.kinds import (
    COUNT,
    MANY,
    NOT_NEGATIVE,
    POSITIVE,
    PROBABILITY,
    Attack,
    BatchSize,
    Choice,
    Columns,
    Kind,
    Labels,
    NormLimits,
    Number,
    Shape,
    Sources,
    Switch,
    Text,
    Widths,
)
from mlpcli.records import record
from mlpcli.text import join_words


@record
class Option:
    """What a field's metadata says of it.

    Attributes:
        name: the field's name, which is also the TOML key.
        section: the TOML section.
        kind: which values it takes.
        default: None if it depends on other values or is off; `help` says which.
        help: a line for the help page.
        common: whether it is among the dozen that are used most.
        lasting: whether a resumed run takes it from the checkpoint.
        fixed: whether a resumed run cannot change it.
        also: names that other tools have for it, to answer them with ours.
        needs: another option and those of its values without which this one does nothing.
    """

    name: str
    section: str
    kind: Kind
    default: Any
    help: str
    common: bool
    lasting: bool
    fixed: bool
    also: tuple[str, ...]
    needs: tuple[str, ...]

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def off_flag(self) -> str:
        """The flag that turns a switch off."""
        return "--no-" + self.flag.removeprefix("--")


def _option(
    default: Any,
    kind: Kind,
    help: str,
    *,
    common: bool = False,
    lasting: bool = True,
    fixed: bool = False,
    also: str = "",
    needs: str = "",
) -> Any:
    return field(
        default=default,
        metadata={
            "kind": kind,
            "help": help,
            "common": common,
            "lasting": lasting,
            "fixed": fixed,
            "also": tuple(also.split()),
            "needs": tuple(needs.split()),
        },
    )


DISTORTIONS: dict[str, dict[str, float]] = {
    "none": {},
    "affine": {"rotate": 15.0, "shear": 15.0, "zoom": 0.15, "shift": 2.0},
    "elastic": {
        "rotate": 10.0,
        "shear": 10.0,
        "zoom": 0.15,
        "shift": 1.0,
        "elastic_sigma": 5.0,
        "elastic_alpha": 36.0,
    },
}
"""What each kind does if nothing else is given; good on MNIST."""

DECAYS = {"step": 0.1, "exponential": 0.95}
"""Factors of the schedules that have one: per step of the schedule, per epoch."""


_WITH_MOMENTUM = " ".join(name for name in kinds.OPTIMIZERS if name != "sgd")


def _defaults(by_word: Mapping[str, float | None]) -> str:
    """What a default is if it depends on another option: "Default: 0.1 for a and b, 0.5 for c"."""
    words: dict[float, list[str]] = {}
    for word, value in by_word.items():
        if value is not None:
            words.setdefault(value, []).append(word)
    if len(words) == 1:
        return f"Default: {next(iter(words)):g}."
    return f"Default: {', '.join(f'{v:g} for {join_words(w)}' for v, w in words.items())}."


def _distortion(name: str) -> str:
    return _defaults({kind: values.get(name) for kind, values in DISTORTIONS.items()})


def _kinds_with(name: str = "") -> str:
    """What an option of distortions needs: the kinds that have `name`, or all of them."""
    has = (kind for kind, values in DISTORTIONS.items() if name in values or (values and not name))
    return f"augment {' '.join(has)}"


@record
class DataConfig:
    """[data]: what to train on."""

    data: str | tuple[str, ...] | None = _option(
        None,
        Sources(),
        "{names}, {formats}, or a folder of IDX or NPY files; - is a table on standard input. "
        "Given again: more tables of the same columns. Default: mnist if downloaded, else digits.",
        common=True,
        also="dataset input train_data",
    )
    label_column: str | None = _option(
        None,
        Text("NAME|INDEX"),
        "Column of the table that holds the labels. Default: the last.",
        common=True,
        fixed=True,
        also="target label labels target_column label_col class_column y response outcome",
    )
    test_data: str | None = _option(
        None,
        Text("PATH"),
        "Table of test rows, with the columns of --data. Default: a share of --data.",
    )
    val_data: str | None = _option(
        None,
        Text("PATH"),
        "Table of validation rows, with the columns of --data. Default: a share of --data.",
    )
    header: str = _option(
        "auto",
        Choice(("auto", "yes", "no")),
        "Whether the table's first row has the names of its columns.",
        fixed=True,
    )
    categorical: tuple[str, ...] = _option(
        (), Columns(), "Columns to take for categories, though they are numbers.", fixed=True
    )
    numeric: tuple[str, ...] = _option(
        (), Columns(), "Columns to take for numbers; other cells in them are missing.", fixed=True
    )
    ignore: tuple[str, ...] = _option((), Columns(), "Columns to leave out.", fixed=True)
    only: tuple[str, ...] = _option(
        (), Columns(), "Columns to learn from, and no others.", fixed=True
    )
    group: str | None = _option(
        None,
        Text("NAME|INDEX"),
        "Column whose rows of one value, as of one person, stay in one part of the split. "
        "Default: each row by itself.",
        fixed=True,
    )
    sample_weight: str | None = _option(
        None,
        Text("NAME|INDEX"),
        "Column that says how much each row counts in training. Default: all equally.",
        also="weight_column case_weights",
        fixed=True,
    )
    task: str | None = _option(
        None,
        Choice(kinds.TASKS, auto=True),
        "What to predict: classes or numbers. Default: auto, which takes text for classes.",
        also="objective_type problem mode",
        fixed=True,
    )
    image_shape: tuple[int, int] | None = _option(
        None,
        Shape(),
        "Take the columns, in their order, for the pixels of images. Default: rows are images only "
        "if they come so.",
        also="image_size img_size input_shape",
        fixed=True,
    )
    scale: str = _option(
        "auto",
        Choice(kinds.SCALES, auto=True),
        "How numbers are scaled. auto divides images by the largest value of the training images; "
        "robust goes by median and quartiles, and bounds outliers, as auto does for tables.",
        also="normalize standardize scaling preprocess scaler",
        fixed=True,
    )
    deslant: bool = _option(
        False,
        Switch(),
        "Shear each image until it stands upright, as digits that lean do not.",
        also="deskew deskewing deslanting",
        fixed=True,
    )
    digit_width: float | None = _option(
        None,
        Number(at_least=0.5, at_most=MANY, metavar="PIXELS"),
        "Bring what is on each image to this width, in the middle; committees gain by members "
        "of different widths. Default: as wide as it is.",
        also="width_normalization box_width",
        fixed=True,
    )
    val_fraction: float = _option(
        0.1,
        PROBABILITY,
        "Share of the training rows held out for validation, drawn by the seed.",
        also="validation_split validation_fraction val valid validation val_size val_ratio "
        "dev_fraction",
        fixed=True,
    )
    test_fraction: float | None = _option(
        None,
        PROBABILITY,
        "Share set aside for testing if the data have no test set. Default: 0.2; 0 for spiral.",
        also="test_size test_split test test_ratio holdout test_set_size",
        fixed=True,
    )
    class_weight: str = _option(
        "none",
        Choice(("none", "balanced")),
        "balanced gives rare classes as much weight as frequent ones.",
        also="class_weights balanced weights",
    )

    @property
    def files(self) -> list[str]:
        """Every path or name that is read."""
        data = [self.data] if isinstance(self.data, str) else list(self.data or ())
        return [*data, *filter(None, (self.test_data, self.val_data))]


@record
class ModelConfig:
    """[model]: the network."""

    hidden: tuple[int, ...] = _option(
        (100,),
        Widths(),
        "Widths of the hidden layers, or none for softmax regression.",
        common=True,
        also="layers hidden_size hidden_layer_sizes hidden_layers units neurons n_hidden "
        "hidden_units width widths architecture",
        fixed=True,
    )
    activation: str = _option(
        "relu",
        Choice(kinds.ACTIVATIONS),
        "Activation of the hidden layers.",
        common=True,
        also="nonlinearity act act_fn activation_function",
        fixed=True,
    )
    embedding: str = _option(
        "none",
        Choice(kinds.EMBEDDINGS),
        "periodic gives the network four inputs for each number of a table: itself, and three "
        "learned sums of cosines of it.",
        also="num_emb_type embeddings numeric_embedding num_embedding plr pbld",
        fixed=True,
    )
    input_scale: str = _option(
        "none",
        Choice(kinds.INPUT_SCALES),
        "learned gives each input of the first layer a factor of its own, which begins at 1.",
        also="scaling_layer front_scale add_front_scale",
        fixed=True,
    )
    loss: str | None = _option(
        None,
        Choice(kinds.LOSSES),
        "For classes: cross-entropy of the softmax; mse (Nielsen's quadratic cost) and bce of "
        "sigmoid outputs. For numbers: squared-error, absolute-error, huber. Default: the first.",
        also="cost criterion objective",
        fixed=True,
    )
    init: str = _option(
        "he",
        Choice(kinds.INITS),
        "Initial weights: he for ReLU, glorot for tanh and sigmoid, normal for N(0, scale²).",
        also="weight_init",
        fixed=True,
    )
    init_scale: float | None = _option(
        None,
        NOT_NEGATIVE,
        "Factor on the standard deviation of the initial weights; with normal, that deviation. "
        "Default: 1; with normal 0.01.",
        fixed=True,
    )
    parametrisation: str = _option(
        "standard",
        Choice(kinds.PARAMETRISATIONS),
        "ntk learns as if each layer were A·V/√fan_in + b, with initial V of deviation "
        "--init-scale (1), and biases at a tenth of the rate. With adam, --lr 0.02 suits it.",
        also="parametrization weight_param",
        fixed=True,
    )
    dropout: float = _option(
        0.0,
        PROBABILITY,
        "Share of the hidden units dropped in each step.",
        common=True,
        also="drop_rate dropout_rate p_drop",
    )
    input_dropout: float = _option(0.0, PROBABILITY, "Share of the inputs dropped in each step.")
    dtype: str = _option(
        "float32", Choice(("float32", "float64")), "Precision of all arithmetic.", fixed=True
    )

    def of_inputs(self, numbers: int) -> dict[str, Any]:
        """What `MLP` takes of the options, for its inputs of which so many are columns' numbers."""
        embedded = numbers if self.embedding == "periodic" else 0
        return {"embedded": embedded, "scaled": self.input_scale == "learned"}


@record
class TrainConfig:
    """[train]: how it is trained."""

    optimizer: str = _option(
        "momentum",
        Choice(kinds.OPTIMIZERS),
        "How a gradient becomes a step.",
        common=True,
        also="solver algorithm optim opt",
        fixed=True,
    )
    lr: float | None = _option(
        None,
        POSITIVE,
        f"Learning rate. {_defaults(kinds.OPTIMIZERS)}",
        common=True,
        also="learning_rate learning_rate_init eta step_size",
    )
    momentum: float = _option(
        0.9,
        PROBABILITY,
        "Momentum μ; with adam and adamw, β₁.",
        also="beta1",
        needs=f"optimizer {_WITH_MOMENTUM}",
    )
    beta2: float = _option(
        0.999,
        PROBABILITY,
        "β₂ of adam and adamw: how slowly the mean of the squared gradient changes.",
        also="adam_beta2 sq_mom",
        needs="optimizer adam adamw",
    )
    final_momentum: float | None = _option(
        None,
        PROBABILITY,
        "Momentum at the end of the run, changed linearly. Default: no change.",
        needs=f"optimizer {_WITH_MOMENTUM}",
    )
    lr_schedule: str = _option(
        "cosine",
        Choice(kinds.LR_SCHEDULES),
        "How the learning rate falls over the run.",
        common=True,
        also="schedule scheduler lr_scheduler",
    )
    lr_decay: float | None = _option(
        None,
        Number(above=0, at_most=1),
        "Factor of the step schedule per drop, of the exponential one per epoch. "
        f"{_defaults(DECAYS)}",
        also="gamma decay",
        needs=f"lr_schedule {' '.join(DECAYS)}",
    )
    lr_step: float = _option(
        10.0,
        Number(at_least=0.001),
        "Epochs between the drops of the step schedule.",
        needs="lr_schedule step",
    )
    warmup: float = _option(
        0.0,
        Number(at_least=0, at_most=MANY),
        "Epochs over which the learning rate first rises.",
        also="warmup_epochs warm_up",
    )
    reg: float = _option(
        1e-4,
        NOT_NEGATIVE,
        "L2 penalty λ of ½λΣ‖W‖²; with adamw, the decoupled decay.",
        common=True,
        also="l2 weight_decay alpha lambda regularization",
    )
    max_norm: float | tuple[float, ...] | None = _option(
        None,
        NormLimits(),
        "Largest norm of the weights into a unit: one number for all layers, or one per layer, "
        "the output's last. Default: no limit.",
    )
    clip_norm: float | None = _option(
        None,
        POSITIVE,
        "Largest norm of the gradient of a step. Default: no limit.",
        also="grad_clip max_grad_norm gradient_clip clip",
    )
    label_smoothing: float = _option(
        0.0, PROBABILITY, "Share of each target that is spread over all classes."
    )
    mixup: float = _option(
        0.0,
        Number(at_least=0, at_most=MANY, metavar="ALPHA"),
        "Mix each sample with another of its batch, inputs and targets alike, by a share that is "
        "drawn from Beta(ALPHA, ALPHA). 0: do not.",
        also="mixup_alpha mix_up",
    )
    adversarial: str = _option(
        "none",
        Attack(),
        "Also train on each image moved by SIZE, as the network sees it, to where its loss is "
        "highest: every pixel by as much with linf, by that norm with l2; or, with virtual, to "
        "where its answer changes most. It takes three times as long.",
        also="adversarial_training attack fgsm vat epsilon",
    )
    members: int | None = _option(
        None,
        Number(whole=True, at_least=1, at_most=1000, metavar="COUNT"),
        "Train this many networks into one checkpoint, which answers with their mean. Member i has "
        "the seed plus i, and holds out part i of 10, or more, for validation. Default: one.",
        also="ensemble ensemble_size committee n_estimators bagging",
        fixed=True,
    )
    folds: int | None = _option(
        None,
        Number(whole=True, at_least=1, at_most=1000, metavar="COUNT"),
        "Only score these options, by cross-validation: train a network without each of so many "
        "parts of the rows, and test it on that part. No checkpoint is written. Default: no.",
        also="cv cross_validation k_fold k_folds n_splits kfold n_folds",
        lasting=False,
    )
    batch_size: int | str = _option(
        128,
        BatchSize(),
        "Samples per step.",
        common=True,
        also="batch minibatch mini_batch_size bs batchsize n_batch",
        fixed=True,
    )
    epochs: int | None = _option(
        None,
        COUNT,
        f"Passes over the training rows. Default: {PLANS[IMAGES]}; for tables {PLANS[TABLES]}, "
        f"with numbers to predict {PLANS[NUMBERS]}.",
        common=True,
        also="max_iter iterations n_epochs num_epochs n_iter rounds passes",
    )
    average: str = _option(
        "none",
        Choice(("none", *kinds.AVERAGES)),
        "Use weights averaged over the steps: exponentially, or over the last part of the run.",
        also="swa weight_averaging polyak",
        fixed=True,
    )
    average_decay: float = _option(
        0.999,
        Number(above=0, below=1),
        "Decay of the exponential average per step; lower in the first steps.",
        also="ema_decay",
        needs="average ema",
    )
    choose: str = _option(
        "accuracy",
        Choice(("accuracy", "loss", "last")),
        "Whose weights are kept: those of the epoch of the highest validation accuracy (of "
        "numbers, the lowest loss), of the lowest validation loss, or of the last.",
        also="monitor checkpoint_metric metric_for_best_model select best_by",
        fixed=True,
    )
    average_from: float = _option(
        0.75,
        PROBABILITY,
        "Share of the run after which the averaging of the tail begins.",
        needs="average tail",
    )
    patience: int | None = _option(
        None,
        COUNT,
        "Stop if no epoch has been better, as --choose says, for this many. Default: never.",
        also="early_stopping n_iter_no_change",
    )
    max_time: float | None = _option(
        None,
        Number(above=0, metavar="MINUTES"),
        "Stop after the epoch in which this many minutes have passed; --resume continues.",
        lasting=False,
    )
    stop_after: int | None = _option(
        None, COUNT, "Stop after this epoch of the plan; --resume continues.", lasting=False
    )
    checkpoint_every: float = _option(
        10.0,
        Number(above=0, metavar="MINUTES"),
        "Also write the checkpoint within an epoch, once the last one is this many minutes old.",
        also="save_every checkpoint_interval",
    )
    seed: int = _option(
        0,
        Number(whole=True, at_least=0, at_most=2**63 - 1, metavar="INTEGER"),
        "Seeds the initial weights, the validation split, the order of samples, dropout and "
        "distortions.",
        common=True,
        also="random_state random_seed",
        fixed=True,
    )


@record
class AugmentConfig:
    """[augment]: how images are distorted, each anew in every epoch."""

    augment: str = _option(
        "none",
        Choice(DISTORTIONS),
        "Distort the images anew in every epoch; elastic also bends them.",
        common=True,
        also="augmentation distort distortions",
    )
    rotate: float | None = _option(
        None,
        Number(at_least=0, at_most=180, metavar="DEGREES"),
        f"Largest rotation to either side. {_distortion('rotate')}",
        also="rotation",
        needs=_kinds_with("rotate"),
    )
    shear: float | None = _option(
        None,
        Number(at_least=0, below=90, metavar="DEGREES"),
        f"Largest shear to either side. {_distortion('shear')}",
        needs=_kinds_with("shear"),
    )
    zoom: float | None = _option(
        None,
        Number(at_least=0, below=1, metavar="SHARE"),
        f"Largest change of width and of height. {_distortion('zoom')}",
        needs=_kinds_with("zoom"),
    )
    shift: float | None = _option(
        None,
        Number(at_least=0, at_most=10_000, metavar="PIXELS"),
        f"Largest shift along each axis. {_distortion('shift')}",
        also="translate translation",
        needs=_kinds_with("shift"),
    )
    elastic_sigma: float | None = _option(
        None,
        Number(at_least=0, at_most=1000, metavar="PIXELS"),
        "Standard deviation of the Gaussian that smooths the displacements. "
        f"{_distortion('elastic_sigma')}",
        needs=_kinds_with("elastic_sigma"),
    )
    elastic_alpha: float | None = _option(
        None,
        Number(at_least=0, at_most=MANY, metavar="PIXELS"),
        "Factor on the smoothed displacements, which start out uniform in ±1. "
        f"{_distortion('elastic_alpha')}",
        needs=_kinds_with("elastic_alpha"),
    )
    mirror_images: bool = _option(
        False,
        Switch(),
        "Mirror half of the images, left to right.",
        also="flip hflip horizontal_flip",
        needs=_kinds_with(),
    )
    gentle_classes: tuple[str, ...] = _option(
        (),
        Labels(),
        "Classes that are rotated and sheared half as far, such as the digits 1 and 7.",
        needs=_kinds_with(),
    )


SECTIONS: dict[
    str, type[DataConfig] | type[ModelConfig] | type[TrainConfig] | type[AugmentConfig]
] = {
    "data": DataConfig,
    "model": ModelConfig,
    "train": TrainConfig,
    "augment": AugmentConfig,
}


def _declared() -> dict[str, Option]:
    return {
        f.name: Option(name=f.name, section=section, default=f.default, **f.metadata)
        for section, cls in SECTIONS.items()
        for f in fields(cls)
    }


OPTIONS: dict[str, Option] = _declared()
"""Every hyperparameter by name; names are unique across sections."""
