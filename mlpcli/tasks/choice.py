"""The task that the labels of a data set call for, and the task that a checkpoint names."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import numpy as np

from mlpcli.arrays import Array, distinct
from mlpcli.errors import DataError
from mlpcli.records import record
from mlpcli.schema import Bounds
from mlpcli.tasks.classification import Classification
from mlpcli.tasks.regression import Regression
from mlpcli.tasks.task import Task

TASKS: dict[str, type[Task]] = {task.kind: task for task in (Classification, Regression)}
"""The tasks, by their names in `--task`."""

_MOST_CLASSES = 1 << 20
_MOST_CHARACTERS = 1 << 26  # of all classes, as an array of text has them
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
    different = distinct(labels)
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


@record
class Classes:
    """A classification, as a checkpoint has it."""

    kind: Literal["classification"]
    classes: (
        Annotated[tuple[int, ...], Bounds(2, _MOST_CLASSES)]
        | Annotated[tuple[str, ...], Bounds(2, _MOST_CLASSES)]
    )

    headline: ClassVar[str] = Classification.headline

    def __post_init__(self) -> None:
        longest = max(len(c) if isinstance(c, str) else 1 for c in self.classes)
        if longest * len(self.classes) > _MOST_CHARACTERS:
            raise ValueError(f"has {len(self.classes)} classes of up to {longest} characters")
        if any(a >= b for a, b in pairwise(self.classes)):  # type: ignore[operator]
            raise ValueError("has classes that are not sorted, or twice the same")
        if any(isinstance(c, str) and c.endswith("\0") for c in self.classes):
            raise ValueError("has a class that no array can hold")

    @property
    def outputs(self) -> int:
        return len(self.classes)

    @property
    def has_whole_classes(self) -> bool:
        """Whether the classes are numbers, for which there may be names."""
        return isinstance(self.classes[0], int)

    def task(self) -> Task:
        return Classification(np.array(self.classes))


@record
class Numbers:
    """A regression, as a checkpoint has it."""

    kind: Literal["regression"]
    mean: float
    deviation: Annotated[float, Bounds(1e-300, 1e300)]
    low: float
    high: float

    outputs: ClassVar[int] = 1
    has_whole_classes: ClassVar[bool] = False
    headline: ClassVar[str] = Regression.headline

    def task(self) -> Task:
        return Regression(self.mean, self.deviation, self.low, self.high)


TaskRecord = Classes | Numbers
"""`meta["task"]` of a checkpoint, which `Task.to_json` wrote."""
