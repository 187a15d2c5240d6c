"""An evaluation as text for a person and as JSON for a script."""

from __future__ import annotations

from collections.abc import Sequence
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
    return _aligned(rows)


def confusion_table(labels: Sequence[Any], scores: Scores) -> str:
    """The confusion matrix; rows are true classes, columns predicted ones, `.` is 0."""
    if len(labels) > CONFUSION_LIMIT:
        return f"(the confusion matrix of {len(labels)} classes is in --json)"
    rows: list[tuple[str, ...]] = [("true \\ predicted", *map(str, labels))]
    for label, counts in zip(labels, scores.confusion.tolist(), strict=True):
        rows.append((str(label), *(str(count or ".") for count in counts)))
    return _aligned(rows)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns under each other, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
