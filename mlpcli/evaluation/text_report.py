"""An evaluation as text for a person and as JSON for a script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlpcli.tasks.classification import Scores
from mlpcli.text import aligned

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


def differing(options: Sequence[dict[str, Any]]) -> list[str]:
    """The names of the options that are not the same in all of these configurations."""
    return [name for name in options[0] if any(o[name] != options[0][name] for o in options[1:])]
