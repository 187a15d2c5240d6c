"""The defaults of each kind of data, where they differ from those that `options` declares.

"images" are images and what is built in, but for `penguins`; "tables" all other data, and "numbers"
those of them whose labels are numbers to predict.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlpcli.config.kinds import NAMED_DATA
from mlpcli.records import record

IMAGES, TABLES, NUMBERS = "images", "tables", "numbers"

_OF_TABLES: dict[str, Any] = {
    "scale": "robust",
    "hidden": (256, 256),
    "embedding": "periodic",
    "optimizer": "adamw",
    "lr_schedule": "flat-cosine",
    "average": "ema",
    "average_decay": 0.99,
    "choose": "loss",
}

DEFAULTS: dict[str, dict[str, Any]] = {
    IMAGES: {},
    TABLES: {
        **_OF_TABLES,
        "activation": "mish",
        "dropout": 0.2,
        "lr": 2e-3,
        "reg": 1.0,
    },
    NUMBERS: {
        **_OF_TABLES,
        "activation": "relu",
        "parametrisation": "ntk",
        "dropout": 0.05,
        "lr": 0.04,
        "reg": 0.2,
    },
}
"""{kind: {name: its default}}; chosen by `make tables` on seven tables, see tests/bench."""

NAMES_OF_KINDS = {TABLES: "tables", NUMBERS: "tables with numbers to predict"}
"""{kind: what a person is told}, of those with defaults of their own."""

_SUITING = ("parametrisation", "lr", "reg")  # they suit the kind's own optimizer and weights


@record
class Plan:
    """How long a run is if no epochs are given: the larger of both."""

    epochs: int
    steps: int = 0

    def __str__(self) -> str:
        more = f", or as many as make {self.steps:,} steps" if self.steps else ""
        return f"{self.epochs}{more}"


PLANS = {IMAGES: Plan(20, 1000), TABLES: Plan(60, 600), NUMBERS: Plan(60, 1200)}
"""{kind: its plan}."""


def kind_of_opened(source: str, image_shape: tuple[int, int] | None, task: str) -> str:
    """The kind of data that were opened, by their name, the shape of images, and the task."""
    if image_shape or source in NAMED_DATA:
        return IMAGES
    return NUMBERS if task == "regression" else TABLES


def defaults_for(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The kind's own defaults that go with the values that were given."""
    own = DEFAULTS[kind]
    suited = {"optimizer": own.get("optimizer"), "parametrisation": "standard"}
    if "parametrisation" in own:
        suited |= {"parametrisation": own["parametrisation"], "init": "he"}
    if any(given.get(name, value) != value for name, value in suited.items()):
        return {name: value for name, value in own.items() if name not in _SUITING}
    return own
