"""The configuration of a run: its values, what overrides what, and how it is written down."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import field, fields
from pathlib import Path
from typing import Any

from mlpcli.config import kinds
from mlpcli.config.defaults import DEFAULTS, IMAGES, defaults_for
from mlpcli.config.kinds import NAMED_DATA, Sources
from mlpcli.config.options import (
    DECAYS,
    DISTORTIONS,
    OPTIONS,
    SECTIONS,
    AugmentConfig,
    DataConfig,
    ModelConfig,
    TrainConfig,
)
from mlpcli.config.toml import read_config, toml_value
from mlpcli.errors import UsageError
from mlpcli.records import record
from mlpcli.text import as_typed, cut

_LEADING = ("optimizer", "parametrisation", "init", "lr_schedule", "augment")
"""Options that the defaults of others follow."""

_WORD = "default"

DEFAULT: Any = object()
"""The value of a flag that takes back what a config file, or the run that goes on, has."""


@record
class Config:
    """All hyperparameters of a run."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    given: frozenset[str] = field(default=frozenset(), compare=False, repr=False)
    """Names of the options that were given, and are no default."""

    def values(self) -> dict[str, Any]:
        """{name: value}, flat."""
        return {
            name: value
            for section in (self.data, self.model, self.train, self.augment)
            for name, value in vars(section).items()
        }

    def sections(self) -> dict[str, dict[str, Any]]:
        """{section: {name: value}} as JSON and TOML have it; what is off (None) is left out."""
        result: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
        for name, value in self.values().items():
            if value is not None:
                kept = list(value) if isinstance(value, tuple) else value
                result[OPTIONS[name].section][name] = kept
        return result

    @property
    def networks(self) -> int | None:
        """How many networks are trained on parts of the rows; None: one on a split of them."""
        members = self.train.members or 1
        return members if members > 1 else self.train.folds

    def for_kind(self, kind: str) -> Config:
        """The same with the defaults of another kind of data where none were given."""
        given = {name: value for name, value in self.values().items() if name in self.given}
        return dataclasses.replace(make_config(given, kind), data=self.data)

    @property
    def idle(self) -> set[str]:
        """Names of the options that have a value, and do nothing beside that of another."""
        values, idle = self.values(), set()
        for name, value in values.items():
            needs = OPTIONS[name].needs
            usual = [OPTIONS[name].default, *(of_kind.get(name) for of_kind in DEFAULTS.values())]
            if needs and value and value not in usual and values[needs[0]] not in needs[1:]:
                idle.add(name)
        return idle

    def without_idle(self, kind: str = IMAGES) -> Config:
        """The same run, its idle options at their defaults."""
        kept = self.given - self.idle
        return make_config({n: v for n, v in self.values().items() if n in kept}, kind)

    def of_member(self, number: int | None) -> Config:
        """The configuration of network `number`: each has a seed of its own."""
        train = dataclasses.replace(self.train, seed=self.train.seed + (number or 0))
        return dataclasses.replace(self, train=train)

    def to_toml(self) -> str:
        """A config file that gives the same run."""
        lines = []
        for section, values in self.sections().items():
            lines += [f"[{section}]"] + [f"{k} = {toml_value(v)}" for k, v in values.items()] + [""]
        return "\n".join(lines)

    def to_flags(self, kind: str = IMAGES) -> list[str]:
        """The flags that give the same run on a kind of data: those of other values than default.

        Args:
            kind: a key of `DEFAULTS`.
        """
        values = self.values()
        written: dict[str, Any] = {}
        usual = make_config(written, kind).values()
        while other := {n: values[n] for n in _LEADING if values[n] != usual[n]}:
            written |= other  # and what they lead to
            usual = make_config(written, kind).values()
        usual |= dict.fromkeys(written)
        words = []
        for name, value in values.items():
            if isinstance(value, bool) and value != usual[name]:
                words += [OPTIONS[name].flag if value else OPTIONS[name].off_flag]
            elif isinstance(OPTIONS[name].kind, Sources) and isinstance(value, tuple):
                words += [word for path in value for word in (OPTIONS[name].flag, path)]
            elif value != usual[name]:
                text = as_typed(value) if isinstance(value, tuple) else str(value)
                words += [OPTIONS[name].flag, text]
        return words


def make_config(values: dict[str, Any], kind: str = IMAGES) -> Config:
    """Return the configuration of these values, with every other one at its default.

    Args:
        kind: of the data, a key of `DEFAULTS`.

    Raises:
        UsageError: values that do not go together.
    """
    given, values = frozenset(values), defaults_for(kind, values) | values
    sections: dict[str, Any] = {
        section: cls(**{f.name: values[f.name] for f in fields(cls) if f.name in values})
        for section, cls in SECTIONS.items()
    }
    config = Config(**sections, given=given)
    train, augment = config.train, config.augment
    layers = len(config.model.hidden) + 1
    if isinstance(train.max_norm, tuple) and len(train.max_norm) != layers:
        raise UsageError(
            f"--max-norm has {len(train.max_norm)} limits for a network of {layers} layers of "
            "weights; give one for each, or one for all"
        )
    if train.patience is not None and config.data.val_fraction == 0:
        raise UsageError("--patience needs validation rows; raise --val-fraction above 0")
    if config.model.parametrisation == "ntk" and config.model.init != "he":
        raise UsageError(
            f"--init {config.model.init}: --parametrisation ntk has initial weights of its own; "
            "leave it out, or give --init-scale"
        )
    if train.folds is not None and (train.members or 1) > 1:
        raise UsageError("--folds scores one network per part; leave out --members")
    if train.patience is not None and train.choose == "last":
        raise UsageError("--patience waits for a better epoch; give --choose loss or accuracy")
    model = config.model
    if model.loss is None and config.data.data in (None, *NAMED_DATA):
        model = dataclasses.replace(model, loss="cross-entropy")
    if train.lr is None:
        train = dataclasses.replace(train, lr=kinds.OPTIMIZERS[train.optimizer])
    if train.lr_decay is None:
        train = dataclasses.replace(train, lr_decay=DECAYS.get(train.lr_schedule))
    usual = DISTORTIONS[augment.augment]
    missing = {name: usual[name] for name in usual if getattr(augment, name) is None}
    augment = dataclasses.replace(augment, **missing)  # type: ignore[arg-type]
    return dataclasses.replace(config, model=model, train=train, augment=augment)


def check_flag(name: str, text: str, *, takes_back: bool = False) -> Any:
    """The value of a flag's text; or `DEFAULT` of "default", if the command `takes_back` values.

    Raises:
        UsageError: it names the flag, the text and what was expected.
    """
    option = OPTIONS[name]
    if takes_back and text == _WORD and not isinstance(option.kind, kinds.NAMES):
        return DEFAULT
    try:
        return option.kind.check(option.kind.parse(text))
    except ValueError as error:
        raise UsageError(
            f"{option.flag} {cut(text) if text.strip() else repr(text)}: {error}"
        ) from None


def resolve(
    flags: dict[str, Any],
    config_file: Path | None,
    checkpoint: Config | None = None,
    *,
    kind_of: Callable[[DataConfig], str] = lambda data: IMAGES,
) -> Config:
    """Flag, then config file, then the checkpoint that is resumed, then default.

    A flag that is `DEFAULT` takes back what the file and the checkpoint say.

    Args:
        kind_of: the kind of the data that a configuration names, whose defaults a run takes.

    Raises:
        ConfigError, UsageError: a key or value that cannot be, or values that do not go together.
    """
    resumed = checkpoint.values() if checkpoint else {}
    lasting = {name: value for name, value in resumed.items() if OPTIONS[name].lasting}
    in_file = read_config(config_file) if config_file else {}
    told = in_file | flags

    def said(lasting: dict[str, Any]) -> dict[str, Any]:
        return {n: v for n, v in (lasting | told).items() if v is not DEFAULT}

    kind = kind_of(make_config(said(lasting)).data)
    config = make_config(said(lasting), kind)
    if checkpoint:
        stale = _stale(checkpoint, config, kind)
        config = make_config(said({n: v for n, v in lasting.items() if n not in stale}), kind)
    for name in told:
        if name in config.idle:
            leader, *needed = OPTIONS[name].needs
            if leader not in flags or name in flags:
                flag, value = OPTIONS[leader].flag, config.values()[leader]
                raise UsageError(
                    f"{OPTIONS[name].flag} does nothing with {flag} {value}; "
                    f"give {flag} {' or '.join(needed)}, too"
                )
    return config.without_idle(kind)


def _stale(before: Config, now: Config, kind: str) -> set[str]:
    """What the run that goes on has by default beside a value of another option that changes."""
    was, becomes = before.values(), now.values()
    led = {name: option.needs[0] for name, option in OPTIONS.items() if option.needs}
    usual = make_config({leader: was[leader] for leader in led.values()}, kind).values()
    return {
        name
        for name, leader in led.items()
        if becomes[leader] != was[leader] and was[name] == usual[name]
    }
