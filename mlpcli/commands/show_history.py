"""The history of a model as `mlp show` has it: a line a curve."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial

from mlpcli.runs.model import Model
from mlpcli.text import aligned, sparkline

LOSSES = {"train_loss": "training loss", "val_loss": "validation loss"}
_CURVES = (
    ("lr", "learning rate", "{:.2g}"),
    ("update_ratio", "update ratio", "{:.1e}"),
    ("gradient_norm", "gradient norm", "{:.2g}"),
    ("dead_units", "dead units", "{:.1%}"),
)


def history_table(model: Model) -> list[str]:
    """A line a curve: its first value, the curve, its last, and its value at the best epoch."""
    best = model.best
    first_epoch = str(model.history[0]["epoch"]) if model.history else ""
    rows = [("epoch", first_epoch, "", str(model.epochs), f"kept: {model.epoch}")]
    for key, name, show in _curves(model):
        values = [entry[key] for entry in model.history if entry.get(key) is not None]
        if not values:
            continue
        first, last, kept = (
            "" if value is None else show(value) for value in (values[0], values[-1], best.get(key))
        )
        curve = sparkline(values) if _shows_blocks() else "to"
        rows.append((name, first, curve, last, kept))
    if len(rows) == 1:
        return ["  no history"]
    width = max(len(row[2]) for row in rows)
    rows = [(a, b, c.ljust(width), d, e) for a, b, c, d, e in rows]
    return ["  " + line for line in aligned(rows).splitlines()]


def _curves(model: Model) -> Iterator[tuple[str, str, Callable[[float], str]]]:
    """Yield (key in the history, what it is, how it is shown)."""
    yield from ((key, name, "{:.4f}".format) for key, name in LOSSES.items())
    task = model.task
    yield f"train_{task.headline}", f"training {task.headline_name}", task.show
    yield f"val_{task.headline}", f"validation {task.headline_name}", task.show
    yield from ((key, name, partial(_formatted, form)) for key, name, form in _CURVES)


def _formatted(form: str, value: float) -> str:
    return form.format(value).replace("%", " %")


def _shows_blocks() -> bool:
    try:
        "▁█".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
