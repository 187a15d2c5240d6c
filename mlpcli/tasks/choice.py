"""The task that the labels of a data set call for, and the task that a checkpoint names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.errors import DataError
from mlpcli.tasks.classification import Classification
from mlpcli.tasks.regression import Regression
from mlpcli.tasks.task import Task

TASKS: dict[str, type[Classification] | type[Regression]] = {
    task.kind: task for task in (Classification, Regression)
}
"""The tasks, by their names in `--task`."""

_FEW = 20  # this many different numbers may be classes


def choose_kind(asked: str, labels: Array, source: str, *, table: bool) -> str:
    """Return the kind of task: as asked for, or as "auto" decides by the labels.

    Text is for classification. Numbers are for regression if more than 20 are different and some
    are fractional, or, in a table, if more than max(20, √N) whole ones are different. A whole
    number is one whether it was written 17 or 17.0.

    Raises:
        DataError: a regression was asked for, and the labels are text.
    """
    if asked == "regression" and labels.dtype.kind == "U":
        raise DataError(
            f"{source}: its labels are text, which no regression can predict; "
            "give --task classification, or another --label-column"
        )
    if asked != "auto":
        return asked
    if labels.dtype.kind == "U":
        return Classification.kind
    different = np.unique(labels)
    whole = bool((different == np.rint(different)).all())
    most = max(_FEW, math.isqrt(len(labels))) if whole else _FEW
    return (
        Regression.kind if len(different) > most and (table or not whole) else Classification.kind
    )


def same_answers(a: Task, b: Task) -> bool:
    """Whether two tasks ask the same question: the same classes, or numbers both."""
    if isinstance(a, Classification) and isinstance(b, Classification):
        return bool(a.classes.tolist() == b.classes.tolist())
    return a.kind == b.kind


def task_of_json(value: dict[str, Any]) -> Task:
    """The task that `Task.to_json` wrote; ValueError, TypeError or KeyError if it is none."""
    if value["kind"] == Regression.kind:
        numbers = {name: float(value[name]) for name in ("mean", "deviation", "low", "high")}
        if not all(map(math.isfinite, numbers.values())) or numbers["deviation"] <= 0:
            raise ValueError("the target's mean and deviation")
        return Regression(**numbers)
    if value["kind"] != Classification.kind:
        raise ValueError(f"unknown task {value['kind']!r}")
    classes = np.array(value["classes"])
    if classes.ndim != 1 or classes.dtype.kind not in "iU":
        raise ValueError("the classes")
    return Classification(classes)
