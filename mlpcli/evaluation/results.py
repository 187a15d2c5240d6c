"""The results of an evaluation as JSON; what is of one task comes from its `TaskReport`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mlpcli.errors import DataError
from mlpcli.tasks.task import Task, TaskReport


def refuse_overflow(report: TaskReport, source: str, whose: str) -> None:
    """Raise DataError if the loss on rows of `source` is not finite, which no JSON can hold."""
    if not math.isfinite(report.loss):
        raise DataError(f"{source}: the loss of {whose} is not finite: it overflows")


def as_json(
    checkpoints: Sequence[str],
    data: str,
    split: str,
    labels: Sequence[Any],
    report: TaskReport,
    task: Task,
) -> dict[str, Any]:
    """The shape of `evaluate --json`; confusion rows are true classes, columns predicted ones."""
    return {
        "task": task.kind,
        "checkpoints": list(checkpoints),
        "data": data,
        "split": split,
        "samples": report.samples,
        "loss": report.loss,
        **report.to_json(labels),
    }


def differing(options: Sequence[dict[str, Any]]) -> list[str]:
    """The names of the options that are not the same in all of these configurations."""
    return [name for name in options[0] if any(o[name] != options[0][name] for o in options[1:])]
