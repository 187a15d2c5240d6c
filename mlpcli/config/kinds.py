"""The values that an option takes: each kind checks a value as TOML gives it.

Flags are text, which `parse` turns into that. Importing this imports only `errors` and `text`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Collection
from typing import Any

from mlpcli.records import record
from mlpcli.text import nearest


@record
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


@record
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


@record
class Choice:
    """One of a few words, or "auto" if there is `auto`."""

    words: Collection[str]
    auto: bool = False

    @property
    def choices(self) -> Collection[str]:
        return ["auto", *self.words] if self.auto else self.words

    @property
    def metavar(self) -> str:
        return "|".join(self.choices)

    def parse(self, text: str) -> Any:
        return text

    def check(self, value: Any) -> Any:
        if not isinstance(value, str) or value not in self.choices:
            near = nearest(str(value), self.choices)
            raise ValueError(f"expected one of {', '.join(self.choices)}{near}")
        return value


MAX_HIDDEN = 1000
"""How many hidden layers a network may have: as many as a checkpoint is read with."""


@record
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
        if value == "none":
            return ()
        if isinstance(value, int) and not isinstance(value, bool):
            value = [value]
        if not isinstance(value, list | tuple) or not all(
            isinstance(n, int) and not isinstance(n, bool) and 0 < n <= 1_000_000 for n in value
        ):
            raise ValueError("expected widths from 1 to 1000000, as in 100 or 800,800, or none")
        if len(value) > MAX_HIDDEN:
            raise ValueError(f"expected at most {MAX_HIDDEN} hidden layers, not {len(value)}")
        return tuple(value)


@record
class Shape:
    """The height and width of images: [28, 28] in TOML, 28,28 as a flag."""

    metavar: str = "H,W"

    def parse(self, text: str) -> Any:
        try:
            return [int(part) for part in text.split(",")]
        except ValueError:
            return text

    def check(self, value: Any) -> Any:
        if (
            not isinstance(value, list | tuple)
            or len(value) != 2
            or not all(isinstance(n, int) and not isinstance(n, bool) for n in value)
            or not all(0 < n <= 100_000 for n in value)
        ):
            raise ValueError("expected height and width in pixels, as in 28,28")
        return tuple(value)


@record
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


@record
class NormLimits:
    """A positive number for all layers, or one per layer: [4.4, 3.0] in TOML, 4.4,3.0 as a flag."""

    metavar: str = "NUMBER[,NUMBER…]"

    def parse(self, text: str) -> Any:
        numbers = [Number().parse(part) for part in text.split(",")]
        return numbers[0] if len(numbers) == 1 else numbers

    def check(self, value: Any) -> Any:
        try:
            if isinstance(value, list | tuple) and value:
                return tuple(POSITIVE.check(item) for item in value)
            return POSITIVE.check(value)
        except ValueError:
            raise ValueError("expected a number above 0, or one per layer") from None


@record
class Labels:
    """Class labels: [1, 7] in TOML, 1,7 as a flag; [] or none: none. They are kept as text."""

    metavar: str = "LABEL[,LABEL…]|none"

    def parse(self, text: str) -> Any:
        return [] if text.strip() == "none" else text.split(",")

    def check(self, value: Any) -> Any:
        if value == "none":
            return ()
        labels = [value] if isinstance(value, int | str) else value
        if not isinstance(labels, list | tuple):
            raise ValueError("expected class labels, as in 1,7, or none")
        try:
            return tuple(Text().check(label) for label in labels)
        except ValueError:
            raise ValueError("expected class labels, as in 1,7, or none") from None


@record
class Sources:
    """A data set's name, or the path of a file; several tables are a list, or a repeated flag."""

    metavar: str = "NAME|PATH"

    def parse(self, text: str) -> Any:
        return text

    def check(self, value: Any) -> Any:
        if not isinstance(value, list | tuple) or not value:
            return Text().check(value)
        sources = tuple(Text().check(source) for source in value)
        return sources[0] if len(sources) == 1 else sources


@record
class Columns:
    """Columns of a table, by name or index: ["a", "b"] in TOML, a,b as a flag; [] or none: none.

    In a flag, a name that has a comma stands in quotes.
    """

    metavar: str = "COLUMN[,COLUMN…]"

    def parse(self, text: str) -> Any:
        if text.strip() == "none":
            return []
        return next(csv.reader([text], skipinitialspace=True), None) or [text]

    def check(self, value: Any) -> Any:
        columns = [value] if isinstance(value, int | str) else value
        if not isinstance(columns, list | tuple):
            raise ValueError("expected columns, as in age,3, or none")
        try:
            return tuple(Text().check(column) for column in columns)
        except ValueError:
            raise ValueError("expected columns, as in age,3, or none") from None


@record
class Switch:
    """On or off: true or false in TOML, --name or --no-name as a flag."""

    metavar: str = "true|false"

    def parse(self, text: str) -> Any:
        return {"true": True, "false": False}.get(text, text)

    def check(self, value: Any) -> Any:
        if not isinstance(value, bool):
            raise ValueError("expected true or false")
        return value


@record
class Attack:
    """How samples are moved, and how far: "l2:2.0"; or "none"."""

    @property
    def metavar(self) -> str:
        return "|".join([*(f"{kind}:SIZE" for kind in ATTACKS), "none"])

    def parse(self, text: str) -> Any:
        return text

    def check(self, value: Any) -> Any:
        if value == "none":
            return value
        kind, _, size = value.partition(":") if isinstance(value, str) else ("", "", "")
        try:
            if kind not in ATTACKS:
                raise ValueError
            return f"{kind}:{POSITIVE.check(POSITIVE.parse(size))!r}"
        except ValueError:
            kinds = ", ".join(ATTACKS)
            raise ValueError(
                f"expected one of {kinds} with a size above 0, as in l2:2.0, or none"
            ) from None

    @staticmethod
    def read(value: str) -> tuple[str, float] | None:
        """(kind, size) of a checked value; None for "none"."""
        kind, _, size = value.partition(":")
        return (kind, float(size)) if size else None


# The words that name what is implemented elsewhere, for help and completion, which do without
# NumPy. A test compares each with the registry that it stands for.

ACTIVATIONS = ["relu", "leaky-relu", "tanh", "sigmoid", "gelu", "silu", "selu", "mish"]
"""As `mlpcli.nn.activations.ACTIVATIONS`."""

LOSSES = ["cross-entropy", "mse", "bce", "squared-error", "absolute-error", "huber"]
"""As `mlpcli.nn.losses.LOSSES`."""

EMBEDDINGS = ["none", "periodic"]
"""What `mlpcli.nn.embeddings` has."""

INPUT_SCALES = ["none", "learned"]
"""Whether there is what `mlpcli.nn.input_scale` describes."""

ATTACKS = ["l2", "linf", "virtual"]
"""As `mlpcli.nn.adversarial.STEPS`."""

AVERAGES = ["ema", "tail"]
"""As `mlpcli.training.average.AVERAGES`."""

PARAMETRISATIONS = ["standard", "ntk"]
"""As `mlpcli.nn.initialisation.PARAMETRISATIONS`."""

INITS = ["he", "glorot", "normal"]
"""As `mlpcli.nn.initialisation.INITS`."""

OPTIMIZERS = {"momentum": 0.1, "sgd": 0.5, "nesterov": 0.1, "adam": 1e-3, "adamw": 1e-3}
"""As `mlpcli.nn.optimizers.OPTIMIZERS`, with rates that suit most data at a batch of 128."""

LR_SCHEDULES = [
    *("cosine", "constant", "linear", "step", "exponential"),
    *("flat-cosine", "coslog4"),
]
"""As `mlpcli.nn.schedules.LR_SCHEDULES`."""

SCALES = ["none", "standard", "robust"]
"""As `mlpcli.data.scalings.SCALINGS`."""

TASKS = ["classification", "regression"]
"""As `mlpcli.tasks.choice.TASKS`."""

NAMED_DATA = ("mnist", "fashion-mnist", "digits", "spiral")
"""The data sets of `mlpcli.data.catalog` but for its tables; they are for classification."""

Kind = (
    Number
    | Text
    | Choice
    | Widths
    | Shape
    | BatchSize
    | NormLimits
    | Labels
    | Sources
    | Columns
    | Switch
    | Attack
)

NAMES = (Text, Sources, Columns, Labels)
"""Those whose values a person has named, which may be any word."""


PROBABILITY = Number(at_least=0, below=1)


POSITIVE = Number(above=0)


NOT_NEGATIVE = Number(at_least=0)


MANY = 10**9  # far beyond any use, and nothing computed from it overflows


COUNT = Number(whole=True, at_least=1, at_most=MANY, metavar="COUNT")
