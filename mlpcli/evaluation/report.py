"""An evaluation as text for a person and as JSON for a script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from mlpcli.evaluation.metrics import Scores

CONFUSION_LIMIT = 30
"""With more classes than this, the matrix is left out of the text: no terminal is so wide."""


def as_json(
    checkpoints: Sequence[str], data: str, split: str, labels: Sequence[Any], scores: Scores
) -> dict[str, Any]:
    """The shape of `evaluate --json`; confusion rows are true classes, columns predicted ones."""
    return {
        "checkpoints": list(checkpoints),
        "data": data,
        "split": split,
        "samples": scores.samples,
        "loss": scores.loss,
        "accuracy": scores.accuracy,
        "error_rate": 1 - scores.accuracy,
        "per_class": [
            {"label": label, **figures}
            for label, figures in zip(labels, scores.per_class(), strict=True)
        ],
        "confusion": scores.confusion.tolist(),
    }


def headline(name: str, scores: Scores) -> str:
    """A line: accuracy with its interval, error, loss."""
    low, high = scores.interval()
    return (
        f"{name}: accuracy {100 * scores.accuracy:.2f} % "
        f"(95 % interval {100 * low:.2f} to {100 * high:.2f})  "
        f"error {100 - 100 * scores.accuracy:.2f} %  loss {scores.loss:.4f}"
    )


def class_table(names: Sequence[str], scores: Scores) -> str:
    """A row a class: precision, recall, F1, support."""
    rows: list[tuple[str, ...]] = [("class", "precision", "recall", "f1", "support")]
    for name, row in zip(names, scores.per_class(), strict=True):
        shares = (f"{100 * row[key]:.2f} %" for key in ("precision", "recall", "f1"))
        rows.append((name, *shares, f"{row['support']:,}"))
    return aligned(rows)


def confusion_table(labels: Sequence[Any], scores: Scores) -> str:
    """The confusion matrix; rows are true classes, columns predicted ones, `.` is 0."""
    if len(labels) > CONFUSION_LIMIT:
        return f"(the confusion matrix of {len(labels)} classes is in --json)"
    rows: list[tuple[str, ...]] = [("true \\ predicted", *map(str, labels))]
    for label, counts in zip(labels, scores.confusion.tolist(), strict=True):
        rows.append((str(label), *(str(count or ".") for count in counts)))
    return aligned(rows)


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """A curve in at most `width` characters, each as high as the mean of its share of `values`.

    Positive values over one power of ten, up to four, are drawn by their logarithm.
    """
    if 10 * min(values) < max(values) < 1e4 * min(values):
        values = [math.log(value) for value in values]
    columns = min(width, len(values))
    edges = [round(i * len(values) / columns) for i in range(columns + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, span = min(means), max(means) - min(means)
    top = len(_BLOCKS) - 1
    return "".join(_BLOCKS[round((m - low) / span * top) if span else top // 2] for m in means)


_BLOCKS = "▁▂▃▄▅▆▇█"


def differing(options: Sequence[dict[str, Any]]) -> list[str]:
    """The names of the options that are not the same in all of these configurations."""
    return [name for name in options[0] if any(o[name] != options[0][name] for o in options[1:])]


def shown(value: Any) -> str:
    """An option's value as a person would type it."""
    if isinstance(value, tuple | list):
        return ",".join(map(str, value)) or "none"
    if value is None:
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns of text under each other, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
