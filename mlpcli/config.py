"""Every hyperparameter, declared once: name, kind, default, bounds and help.

A TOML section is a frozen dataclass. The command line's options, the checking of config files and
`--print-config` are made from the fields. Importing this imports nothing but `errors`.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mlpcli.errors import ConfigError, InputError, UsageError

# Kinds of values. Each checks a value as TOML gives it; flags are text and are parsed into that.


@dataclass(frozen=True)
class Number:
    """A finite number, or a whole one, within bounds."""

    whole: bool = False
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    metavar: str = "NUMBER"

    def parse(self, text: str) -> Any:
        """The value that a flag's text stands for; text that is no number stays text."""
        for number in (int, float):
            try:
                return number(text)
            except ValueError:
                continue
        return text

    def check(self, value: Any) -> Any:
        """The value itself, as it is kept; ValueError says what was expected instead."""
        allowed = int if self.whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, allowed):
            raise ValueError(f"expected {self.describe()}")
        if not self.whole:
            try:
                value = float(value)
            except OverflowError:
                value = math.inf
        finite = self.whole or math.isfinite(value)
        if not finite or not self._within(value):
            raise ValueError(f"expected {self.describe()}")
        return value

    def _within(self, value: float) -> bool:
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )

    def describe(self) -> str:
        """What is expected, in words."""
        bounds = [
            f"{word} {bound}"
            for word, bound in (
                ("at least", self.at_least),
                ("above", self.above),
                ("at most", self.at_most),
                ("below", self.below),
            )
            if bound is not None
        ]
        noun = "a whole number" if self.whole else "a number"
        return " ".join([noun, " and ".join(bounds)]).rstrip()


@dataclass(frozen=True)
class Text:
    """Any text."""

    metavar: str = "TEXT"

    def parse(self, text: str) -> Any:
        return text

    def check(self, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str) or not value:
            raise ValueError("expected text")
        return value


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    choices: tuple[str, ...]

    @property
    def metavar(self) -> str:
        return "|".join(self.choices)

    def parse(self, text: str) -> Any:
        return text

    def check(self, value: Any) -> Any:
        if value not in self.choices:
            near = nearest(str(value), self.choices)
            raise ValueError(f"expected one of {', '.join(self.choices)}{near}")
        return value


@dataclass(frozen=True)
class Widths:
    """The widths of the hidden layers: [800, 800] in TOML, 800,800 as a flag; [] or none: none."""

    metavar: str = "H[,H…]|none"

    def parse(self, text: str) -> Any:
        if text.strip() == "none":
            return []
        try:
            return [int(part) for part in text.split(",")]
        except ValueError:
            return text

    def check(self, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            value = [value]
        if not isinstance(value, list | tuple) or not all(
            isinstance(n, int) and not isinstance(n, bool) and 0 < n <= 1_000_000 for n in value
        ):
            raise ValueError("expected widths from 1 to 1000000, as in 100 or 800,800, or none")
        return tuple(value)


@dataclass(frozen=True)
class BatchSize:
    """A number of samples, or "full" for all of them."""

    metavar: str = "SAMPLES|full"

    def parse(self, text: str) -> Any:
        return text if text == "full" else Number().parse(text)

    def check(self, value: Any) -> Any:
        if value == "full":
            return value
        try:
            return Number(whole=True, at_least=1).check(value)
        except ValueError:
            raise ValueError("expected a whole number at least 1, or full") from None


@dataclass(frozen=True)
class NormLimits:
    """A positive number for every layer, or one for each: [4.4, 3.0] in TOML, 4.4,3.0 as a flag."""

    metavar: str = "NUMBER[,NUMBER…]"

    def parse(self, text: str) -> Any:
        numbers = [Number().parse(part) for part in text.split(",")]
        return numbers[0] if len(numbers) == 1 else numbers

    def check(self, value: Any) -> Any:
        try:
            if isinstance(value, list | tuple) and value:
                return tuple(_POSITIVE.check(item) for item in value)
            return _POSITIVE.check(value)
        except ValueError:
            raise ValueError("expected a number above 0, or one for each layer") from None


@dataclass(frozen=True)
class Labels:
    """Class labels: [1, 7] in TOML, 1,7 as a flag; [] or none: none. They are kept as text."""

    metavar: str = "LABEL[,LABEL…]|none"

    def parse(self, text: str) -> Any:
        return [] if text.strip() == "none" else text.split(",")

    def check(self, value: Any) -> Any:
        labels = [value] if isinstance(value, int | str) else value
        if not isinstance(labels, list | tuple):
            raise ValueError("expected class labels, as in 1,7, or none")
        try:
            return tuple(Text().check(label) for label in labels)
        except ValueError:
            raise ValueError("expected class labels, as in 1,7, or none") from None


@dataclass(frozen=True)
class Switch:
    """On or off: true or false in TOML, --name or --no-name as a flag."""

    metavar: str = "true|false"

    def parse(self, text: str) -> Any:
        return {"true": True, "false": False}.get(text, text)

    def check(self, value: Any) -> Any:
        if not isinstance(value, bool):
            raise ValueError("expected true or false")
        return value


Kind = Number | Text | Choice | Widths | BatchSize | NormLimits | Labels | Switch


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


_MAX_CONFIG = 1 << 17  # bytes of a config file, all comments included
_MAX_DOTS = 500  # in a line: a key of n parts costs n²
_PROBABILITY = Number(at_least=0, below=1)
_POSITIVE = Number(above=0)
_NOT_NEGATIVE = Number(at_least=0)
_MANY = 10**9  # far beyond any use, and no overflow in what is computed from it
_COUNT = Number(whole=True, at_least=1, at_most=_MANY, metavar="COUNT")


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
        _PROBABILITY,
        "Share of the training rows held out for validation, drawn by the seed.",
        also=("validation_split", "validation_fraction"),
        fixed=True,
    )
    test_fraction: float | None = _option(
        None,
        _PROBABILITY,
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
        _NOT_NEGATIVE,
        "Factor on the initial weights' deviation; with normal, the deviation. "
        "Default: 1; with normal 0.01.",
        fixed=True,
    )
    dropout: float = _option(
        0.0, _PROBABILITY, "Share of hidden units dropped in a step.", common=True
    )
    input_dropout: float = _option(0.0, _PROBABILITY, "Share of inputs dropped in a step.")
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
        _POSITIVE,
        "Learning rate. Default: 0.1 for momentum and nesterov, 0.5 for sgd, "
        "0.001 for adam and adamw.",
        common=True,
        also=("learning_rate", "learning_rate_init", "eta", "step_size"),
    )
    momentum: float = _option(
        0.9, _PROBABILITY, "Momentum μ; with adam and adamw, β₁.", also=("beta1",)
    )
    final_momentum: float | None = _option(
        None, _PROBABILITY, "Momentum changes linearly to this over the run. Default: it stays."
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
        Number(at_least=0, at_most=_MANY),
        "Epochs over which the learning rate rises first.",
    )
    reg: float = _option(
        1e-4,
        _NOT_NEGATIVE,
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
        _POSITIVE,
        "Largest norm of a step's gradient. Default: no limit.",
        also=("grad_clip",),
    )
    label_smoothing: float = _option(
        0.0, _PROBABILITY, "Share of a target spread over all classes."
    )
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
        _COUNT,
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
        0.75, _PROBABILITY, "Share of the run after which the tail begins."
    )
    patience: int | None = _option(
        None,
        _COUNT,
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
        None, _COUNT, "Stop after this epoch of the plan; --resume goes on.", lasting=False
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
        Number(at_least=0, at_most=_MANY, metavar="PIXELS"),
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


@dataclass(frozen=True)
class Config:
    """All hyperparameters of a run."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def values(self) -> dict[str, Any]:
        """{name: value}, flat."""
        return {
            name: value
            for section in (self.data, self.model, self.train, self.augment)
            for name, value in dataclasses.asdict(section).items()
        }

    def sections(self) -> dict[str, dict[str, Any]]:
        """{section: {name: value}} as JSON and TOML have it; what is off (None) is left out."""
        result: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
        for name, value in self.values().items():
            if value is not None:
                kept = list(value) if isinstance(value, tuple) else value
                result[OPTIONS[name].section][name] = kept
        return result

    def to_toml(self) -> str:
        """A config file that gives the same run."""
        lines = []
        for section, values in self.sections().items():
            lines += [f"[{section}]"] + [f"{k} = {_toml(v)}" for k, v in values.items()] + [""]
        return "\n".join(lines)

    def to_flags(self) -> list[str]:
        """The flags that give the same run: those of values that are not the defaults."""
        values = self.values()
        leading = {name: values[name] for name in ("optimizer", "lr_schedule", "augment")}
        usual = make_config(leading).values()  # the defaults of others follow those
        usual |= {name: OPTIONS[name].default for name in leading}
        words = []
        for name, value in values.items():
            if isinstance(value, bool) and value != usual[name]:
                words += [OPTIONS[name].flag if value else OPTIONS[name].off_flag]
            elif value != usual[name]:
                text = ",".join(map(str, value)) or "none" if isinstance(value, tuple) else value
                words += [OPTIONS[name].flag, str(text)]
        return words


def make_config(values: dict[str, Any]) -> Config:
    """The configuration of these values, every other one at its default.

    Raises:
        UsageError: values that do not go together.
    """
    sections = {
        section: cls(**{f.name: values[f.name] for f in fields(cls) if f.name in values})
        for section, cls in SECTIONS.items()
    }
    config = Config(**sections)  # type: ignore[arg-type]
    train, augment = config.train, config.augment
    layers = len(config.model.hidden) + 1
    if isinstance(train.max_norm, tuple) and len(train.max_norm) != layers:
        raise UsageError(
            f"--max-norm has {len(train.max_norm)} limits for a network of {layers} layers of "
            "weights; give one for each, or one for all"
        )
    if train.patience is not None and config.data.val_fraction == 0:
        raise UsageError("--patience needs validation rows; raise --val-fraction above 0")
    if train.lr is None:
        train = dataclasses.replace(train, lr=DEFAULT_LR[train.optimizer])
    if train.lr_decay is None and train.lr_schedule in ("step", "exponential"):
        decay = 0.1 if train.lr_schedule == "step" else 0.95
        train = dataclasses.replace(train, lr_decay=decay)
    usual = DISTORTIONS[augment.augment]
    missing = {name: usual[name] for name in usual if getattr(augment, name) is None}
    augment = dataclasses.replace(augment, **missing)  # type: ignore[arg-type]
    return dataclasses.replace(config, train=train, augment=augment)


def check_flag(name: str, text: str) -> Any:
    """The value of a flag's text.

    Raises:
        UsageError: it names the flag, the text and what was expected.
    """
    option = OPTIONS[name]
    try:
        return option.kind.check(option.kind.parse(text))
    except ValueError as error:
        raise UsageError(f"{option.flag} {_cut(text)}: {error}") from None


def read_config(path: Path) -> dict[str, Any]:
    """The values {name: value} that a TOML file gives.

    Raises:
        InputError: the file cannot be read.
        ConfigError: it is no TOML, or a section, key or value cannot be.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_CONFIG + 1)
        _refuse_bomb(content, path)
        document = tomllib.loads(content.decode())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is not TOML: nested too deeply") from None
    except ValueError as error:  # its syntax, its encoding, or a number of thousands of digits
        reason = str(error)  # which ends with the line and the column
        if len(reason) > 200:
            reason = f"{_cut(reason)} {reason[-60:]}"
        raise ConfigError(f"{path}: is not TOML: {reason}") from None
    values: dict[str, Any] = {}
    for section, keys in document.items():
        values |= _read_section(path, section, keys)
    return values


def _refuse_bomb(content: bytes, path: Path) -> None:
    """Refuse what a TOML parser needs minutes or gigabytes for, and nobody writes."""
    if len(content) > _MAX_CONFIG:
        raise ConfigError(
            f"{path}: has more than {_MAX_CONFIG >> 10} KiB; this is not a config file of mlp"
        )
    if any(line.count(b".") > _MAX_DOTS for line in content.splitlines()):
        raise ConfigError(f"{path}: is not TOML: a line with more than {_MAX_DOTS} points")


def check_sections(sections: Any, where: str) -> dict[str, Any]:
    """The values {name: value} of {section: {key: value}}, as a checkpoint keeps them."""
    values: dict[str, Any] = {}
    if not isinstance(sections, dict):
        raise ConfigError(f"{where}: is no table of sections")
    for section, keys in sections.items():
        values |= _read_section(where, section, keys)
    return values


def nearest(word: str, words: Any) -> str:
    """ "; did you mean …?" for the nearest of `words`, or nothing."""
    match = difflib.get_close_matches(word, list(words), n=1, cutoff=0.55)
    return f"; did you mean {match[0]}?" if match else ""


def _read_section(where: Path | str, section: str, keys: Any) -> dict[str, Any]:
    if section not in SECTIONS:
        if section in OPTIONS:
            raise ConfigError(f"{where}: {section} belongs under [{OPTIONS[section].section}]")
        near = nearest(section, SECTIONS)
        known = ", ".join(f"[{name}]" for name in SECTIONS)
        raise ConfigError(f"{where}: there is no section [{_cut(section)}]{near} ({known})")
    if not isinstance(keys, dict):
        raise ConfigError(f"{where}: {section} is a section; write [{section}]")
    values = {}
    for key, value in keys.items():
        name = key.replace("-", "_")
        if name not in OPTIONS:
            raise ConfigError(f"{where}: [{section}] has no key {_cut(key)}{_did_you_mean(name)}")
        option = OPTIONS[name]
        if option.section != section:
            raise ConfigError(f"{where}: {key} belongs under [{option.section}], not [{section}]")
        if name in values:
            raise ConfigError(f"{where}: [{section}] {name} is given twice")
        try:
            values[name] = option.kind.check(value)
        except ValueError as error:
            shown = _cut(_toml(value))
            raise ConfigError(f"{where}: [{section}] {key} = {shown}: {error}") from None
    return values


def own_name(name: str) -> str | None:
    """The option that other tools call `name`, or None."""
    return next((o.name for o in OPTIONS.values() if name.lower() in o.also), None)


def _did_you_mean(name: str) -> str:
    own = own_name(name)
    return f"; did you mean {own}?" if own else nearest(name, OPTIONS)


def _cut(text: str) -> str:
    """`text`, or where it is very long, its beginning."""
    return text if len(text) <= 80 else f"{text[:79]}…"


def _toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = "".join(
            f"\\{c}" if c in '"\\' else c if c.isprintable() else f"\\U{ord(c):08x}" for c in value
        )
        return f'"{escaped}"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + "}"
    return repr(value) if isinstance(value, float) else str(value)
