"""Every hyperparameter, declared once: name, kind, default, bounds and help.

A TOML section is a frozen dataclass. The command line's options, the checking of config files and
`--print-config` are made from the fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from mlpcli.config.kinds import (
    COUNT,
    MANY,
    NOT_NEGATIVE,
    POSITIVE,
    PROBABILITY,
    BatchSize,
    Choice,
    Kind,
    Labels,
    NormLimits,
    Number,
    Switch,
    Text,
    Widths,
)


@dataclass(frozen=True)
class Option:
    """What a field's metadata says of it.

    Attributes:
        name: the field's name, which is also the TOML key.
        section: the TOML section.
        kind: which values it takes.
        default: None where it depends on other values or is off; `help` says which.
        help: a line for the help page.
        common: whether it is among the dozen that people reach for first.
        lasting: whether a resumed run takes it from the checkpoint.
        fixed: whether a resumed run cannot change it.
        also: names that other tools have for it, to answer them with ours.
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
    also: tuple[str, ...] = (),
) -> Any:
    return field(
        default=default,
        metadata={
            "kind": kind,
            "help": help,
            "common": common,
            "lasting": lasting,
            "fixed": fixed,
            "also": also,
        },
    )


@dataclass(frozen=True)
class DataConfig:
    """[data]: what to train on."""

    data: str | None = _option(
        None,
        Text("NAME|PATH"),
        "mnist, fashion-mnist, digits, spiral, a CSV/TSV/NPZ file, or a folder of IDX or NPY "
        "files. Default: mnist if downloaded, else digits.",
        common=True,
        also=("dataset", "input", "train_data"),
    )
    label_column: str | None = _option(
        None,
        Text("NAME|INDEX"),
        "The table's column of labels. Default: the last.",
        common=True,
        fixed=True,
    )
    scale: str = _option(
        "auto",
        Choice(("auto", "none", "standard")),
        "auto divides pixels by their largest value and standardises tables.",
        also=("normalize", "standardize", "scaling"),
        fixed=True,
    )
    val_fraction: float = _option(
        0.1,
        PROBABILITY,
        "Share of the training rows held out for validation, drawn by the seed.",
        also=("validation_split", "validation_fraction"),
        fixed=True,
    )
    test_fraction: float | None = _option(
        None,
        PROBABILITY,
        "Share set aside for testing where the data have no test set. Default: 0.2; 0 for spiral.",
        also=("test_size", "test_split"),
        fixed=True,
    )
    class_weight: str = _option(
        "none",
        Choice(("none", "balanced")),
        "balanced lets rare classes weigh as much as frequent ones.",
    )


@dataclass(frozen=True)
class ModelConfig:
    """[model]: the network."""

    hidden: tuple[int, ...] = _option(
        (100,),
        Widths(),
        "Widths of the hidden layers; none: softmax regression.",
        common=True,
        also=("layers", "hidden_size", "hidden_layer_sizes", "hidden_layers", "units"),
        fixed=True,
    )
    activation: str = _option(
        "relu",
        Choice(("relu", "leaky-relu", "tanh", "sigmoid")),
        "Of the hidden layers.",
        common=True,
        also=("nonlinearity",),
        fixed=True,
    )
    loss: str = _option(
        "cross-entropy",
        Choice(("cross-entropy", "mse", "bce")),
        "cross-entropy of the softmax; mse and bce of sigmoid outputs.",
        also=("cost", "criterion", "objective"),
        fixed=True,
    )
    init: str = _option(
        "he",
        Choice(("he", "glorot", "normal")),
        "Initial weights; see the README.",
        also=("weight_init",),
        fixed=True,
    )
    init_scale: float | None = _option(
        None,
        NOT_NEGATIVE,
        "Factor on the initial weights' deviation; with normal, the deviation. "
        "Default: 1; with normal 0.01.",
        fixed=True,
    )
    dropout: float = _option(
        0.0, PROBABILITY, "Share of hidden units dropped in a step.", common=True
    )
    input_dropout: float = _option(0.0, PROBABILITY, "Share of inputs dropped in a step.")
    dtype: str = _option(
        "float32", Choice(("float32", "float64")), "Precision of all arithmetic.", fixed=True
    )


@dataclass(frozen=True)
class TrainConfig:
    """[train]: how it is trained."""

    optimizer: str = _option(
        "momentum",
        Choice(("momentum", "sgd", "nesterov", "adam", "adamw")),
        "How a gradient becomes a step.",
        common=True,
        also=("solver", "algorithm"),
        fixed=True,
    )
    lr: float | None = _option(
        None,
        POSITIVE,
        "Learning rate. Default: 0.1 for momentum and nesterov, 0.5 for sgd, "
        "0.001 for adam and adamw.",
        common=True,
        also=("learning_rate", "learning_rate_init", "eta", "step_size"),
    )
    momentum: float = _option(
        0.9, PROBABILITY, "Momentum μ; with adam and adamw, β₁.", also=("beta1",)
    )
    final_momentum: float | None = _option(
        None, PROBABILITY, "Momentum changes linearly to this over the run. Default: it stays."
    )
    lr_schedule: str = _option(
        "cosine",
        Choice(("cosine", "constant", "linear", "step", "exponential")),
        "How the learning rate falls over the run.",
        common=True,
        also=("schedule", "scheduler", "lr_scheduler"),
    )
    lr_decay: float | None = _option(
        None,
        Number(above=0, at_most=1),
        "Factor of the step and exponential schedules. Default: 0.1 a step, 0.95 an epoch.",
        also=("gamma", "decay"),
    )
    lr_step: float = _option(
        10.0, Number(at_least=0.001), "Epochs between the drops of the step schedule."
    )
    warmup: float = _option(
        0.0,
        Number(at_least=0, at_most=MANY),
        "Epochs over which the learning rate rises first.",
    )
    reg: float = _option(
        1e-4,
        NOT_NEGATIVE,
        "L2 penalty λ of ½λΣ‖W‖²; with adamw, the decoupled decay.",
        common=True,
        also=("l2", "weight_decay", "alpha", "lambda", "regularization"),
    )
    max_norm: float | tuple[float, ...] | None = _option(
        None,
        NormLimits(),
        "Largest norm of the weights into a unit, for all layers or one for each, the last for "
        "the output. Default: no limit.",
    )
    clip_norm: float | None = _option(
        None,
        POSITIVE,
        "Largest norm of a step's gradient. Default: no limit.",
        also=("grad_clip",),
    )
    label_smoothing: float = _option(0.0, PROBABILITY, "Share of a target spread over all classes.")
    batch_size: int | str = _option(
        128,
        BatchSize(),
        "Samples a step.",
        common=True,
        also=("batch", "minibatch", "mini_batch_size"),
        fixed=True,
    )
    epochs: int | None = _option(
        None,
        COUNT,
        "Passes over the training rows. Default: 20, or more on small data, to make 1,000 steps.",
        common=True,
        also=("max_iter", "iterations"),
    )
    average: str = _option(
        "none",
        Choice(("none", "ema", "tail")),
        "Use weights averaged over the steps: exponentially, or over the last part of the run.",
        also=("swa", "weight_averaging", "polyak"),
        fixed=True,
    )
    average_decay: float = _option(
        0.999,
        Number(above=0, below=1),
        "Decay a step of the exponential average; lower in the first steps.",
        also=("ema_decay",),
    )
    average_from: float = _option(
        0.75, PROBABILITY, "Share of the run after which the tail begins."
    )
    patience: int | None = _option(
        None,
        COUNT,
        "Stop when the validation accuracy has not risen for so many epochs. Default: never.",
        also=("early_stopping", "n_iter_no_change"),
    )
    max_time: float | None = _option(
        None,
        Number(above=0, metavar="MINUTES"),
        "Stop after the epoch in which so many minutes are over; --resume goes on.",
        lasting=False,
    )
    stop_after: int | None = _option(
        None, COUNT, "Stop after this epoch of the plan; --resume goes on.", lasting=False
    )
    checkpoint_every: float = _option(
        10.0,
        Number(above=0, metavar="MINUTES"),
        "Write the checkpoint within an epoch, too, when the last one is so many minutes old.",
        also=("save_every", "checkpoint_interval"),
    )
    seed: int = _option(
        0,
        Number(whole=True, at_least=0, at_most=2**63 - 1, metavar="INTEGER"),
        "Of the initial weights, the validation rows and the order of samples.",
        common=True,
        also=("random_state", "random_seed"),
        fixed=True,
    )


@dataclass(frozen=True)
class AugmentConfig:
    """[augment]: how images are distorted, each anew in every epoch."""

    augment: str = _option(
        "none",
        Choice(("none", "affine", "elastic")),
        "Distort the images; elastic bends them, too.",
        common=True,
        also=("augmentation", "distort", "distortions"),
    )
    rotate: float | None = _option(
        None,
        Number(at_least=0, at_most=180, metavar="DEGREES"),
        "Largest rotation to either side. Default: 15; with elastic 10.",
        also=("rotation",),
    )
    shear: float | None = _option(
        None,
        Number(at_least=0, below=90, metavar="DEGREES"),
        "Largest slant to either side. Default: 15; with elastic 10.",
    )
    zoom: float | None = _option(
        None,
        Number(at_least=0, below=1, metavar="SHARE"),
        "Largest change of width and of height. Default: 0.15.",
    )
    shift: float | None = _option(
        None,
        Number(at_least=0, at_most=10_000, metavar="PIXELS"),
        "Largest shift along each axis. Default: 2; with elastic 1.",
        also=("translate", "translation"),
    )
    elastic_sigma: float | None = _option(
        None,
        Number(at_least=0, at_most=1000, metavar="PIXELS"),
        "Deviation of the Gaussian that smooths elastic displacements. Default: 5.",
    )
    elastic_alpha: float | None = _option(
        None,
        Number(at_least=0, at_most=MANY, metavar="PIXELS"),
        "Factor on the smoothed displacements, uniform in ±1 before. Default: 36.",
    )
    mirror_images: bool = _option(
        False,
        Switch(),
        "Mirror one image of two, left to right.",
        also=("flip", "hflip", "horizontal_flip"),
    )
    gentle_classes: tuple[str, ...] = _option(
        (), Labels(), "Classes that are rotated and slanted half as far, as 1 and 7 of digits."
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
"""What is not given of each kind; good on MNIST."""


DEFAULT_LR = {"momentum": 0.1, "nesterov": 0.1, "sgd": 0.5, "adam": 1e-3, "adamw": 1e-3}
"""Rates that suit most data at a batch of 128."""


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
