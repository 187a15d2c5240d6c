"""An evaluation as text for a person and as JSON for a script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mlpcli.data.split import Split
from mlpcli.errors import DataError
from mlpcli.tasks.classification import Classification, ClassReport
from mlpcli.tasks.regression import Regression, ResidualReport
from mlpcli.tasks.task import Predictions, Task
from mlpcli.text import aligned, percent, percent_span, span

CONFUSION_LIMIT = 30
"""With more classes than this, the matrix is left out of the text: no terminal is so wide."""

MATRIX_LIMIT = 2000
"""With more classes than this, it is left out of the JSON too: C² numbers are gigabytes."""

TaskReport = ClassReport | ResidualReport


def report_of(predictions: Predictions, task: Task) -> TaskReport:
    """The figures of predictions, as the task has them."""
    if isinstance(task, Classification):
        return ClassReport.of(predictions, task)
    assert isinstance(task, Regression)
    return ResidualReport.of(predictions, task)


def refuse_overflow(report: TaskReport, source: str, whose: str) -> None:
    """Raise DataError if the loss on rows of `source` is not finite, which no JSON can hold."""
    if not math.isfinite(report.loss):
        raise DataError(f"{source}: the loss of {whose} is not finite: it overflows")


def figures_of(report: TaskReport) -> dict[str, float]:
    """{name: value} of the task's figures, the headline first."""
    return report.figures if isinstance(report, ResidualReport) else {"accuracy": report.accuracy}


def intervals_of(report: TaskReport) -> dict[str, tuple[float, float]]:
    """95 % intervals of the figures, or of those that have one."""
    if isinstance(report, ResidualReport):
        return report.intervals()
    return {"accuracy": report.interval()}


def as_json(
    checkpoints: Sequence[str], data: str, split: str, labels: Sequence[Any], report: TaskReport
) -> dict[str, Any]:
    """The shape of `evaluate --json`; confusion rows are true classes, columns predicted ones."""
    about = {
        "task": Classification.kind if isinstance(report, ClassReport) else Regression.kind,
        "checkpoints": list(checkpoints),
        "data": data,
        "split": split,
        "samples": report.samples,
        "loss": report.loss,
    }
    if isinstance(report, ResidualReport):
        return about | report.figures
    return about | {
        "accuracy": report.accuracy,
        "error_rate": 1 - report.accuracy,
        "per_class": [
            {"label": label, **figures}
            for label, figures in zip(labels, report.per_class(), strict=True)
        ],
        "confusion": report.confusion.tolist() if report.classes <= MATRIX_LIMIT else None,
    }


def headline(name: str, report: TaskReport) -> str:
    """A line: the figures with their intervals, and the loss."""
    if isinstance(report, ResidualReport):
        figures, intervals = report.figures, report.intervals()
        shown = "  ".join(
            f"{label} {figures[key]:.4g} (95 % interval {span(*intervals[key])})"
            for key, label in (("rmse", "RMSE"), ("mae", "MAE"), ("r2", "R²"))
        )
        return f"{name}: {shown}  loss {report.loss:.4f}"
    return (
        f"{name}: accuracy {percent(report.accuracy)} "
        f"(95 % interval {percent_span(*report.interval())})  "
        f"error {percent(1 - report.accuracy)}  loss {report.loss:.4f}"
    )


def tables(
    report: TaskReport, split: Split, names: Sequence[str], labels: Sequence[Any]
) -> list[str]:
    """What follows the headlines: a table of the classes and one of the confusions."""
    if isinstance(report, ResidualReport):
        return [largest_errors(report, split)]
    return [class_table(names, report), confusion_table(labels, report)]


def largest_errors(report: ResidualReport, split: Split, count: int = 5) -> str:
    """The rows with the largest errors: target, answer, error."""
    rows: list[tuple[str, ...]] = [("largest errors", "target", "answer", "error")]
    for place in report.largest(count).tolist():
        true, said = report.y[place], report.predicted[place]
        shown = (f"{number:.{report.digits}g}" for number in (true, said))
        rows.append((f"row {split.number(place):,}", *shown, f"{said - true:+.4g}"))
    return aligned(rows)


def class_table(names: Sequence[str], report: ClassReport) -> str:
    """A row a class: precision, recall, F1, support."""
    rows: list[tuple[str, ...]] = [("class", "precision", "recall", "f1", "support")]
    for name, row in zip(names, report.per_class(), strict=True):
        shares = (f"{100 * row[key]:.2f} %" for key in ("precision", "recall", "f1"))
        rows.append((name, *shares, f"{row['support']:,}"))
    return aligned(rows)


def confusion_table(labels: Sequence[Any], report: ClassReport) -> str:
    """The confusion matrix; rows are true classes, columns predicted ones, `.` is 0."""
    if len(labels) > MATRIX_LIMIT:
        return f"(there is no confusion matrix of more than {MATRIX_LIMIT:,} classes)"
    if len(labels) > CONFUSION_LIMIT:
        return f"(the confusion matrix of {len(labels)} classes is in --json)"
    rows: list[tuple[str, ...]] = [("true \\ predicted", *map(str, labels))]
    for label, counts in zip(labels, report.confusion.tolist(), strict=True):
        rows.append((str(label), *(str(count or ".") for count in counts)))
    return aligned(rows)


def differing(options: Sequence[dict[str, Any]]) -> list[str]:
    """The names of the options that are not the same in all of these configurations."""
    return [name for name in options[0] if any(o[name] != options[0][name] for o in options[1:])]
