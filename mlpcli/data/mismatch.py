"""Rows whose values or targets are not like those of a model: of another scale or unit."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.encoding import OTHER_SCALE, Encoding, scales_differ
from mlpcli.records import record
from mlpcli.tasks.regression import Regression
from mlpcli.tasks.task import Task
from mlpcli.text import quoted

_ENOUGH = 1 << 25  # cells to look at; of more, evenly spaced rows
_FEW = 10  # rows of a single column that happen to be small


@record
class _Range:
    """Where a column's values lie: now, and in the training rows."""

    name: str
    now: tuple[float, float]
    then: tuple[float, float]

    @property
    def ratio(self) -> float:
        """How far the values reach from 0, in that of the training rows."""
        return max(map(abs, self.now)) / max(map(abs, self.then))

    @property
    def is_outside(self) -> bool:
        """Whether all values lie further from the training rows' range than this is wide."""
        low, high = self.then
        return self.now[0] > 2 * high - low or self.now[1] < 2 * low - high


def compare_scale(encoding: Encoding, X: Array, source: str, model: Path) -> str | None:
    """What to warn of if raw rows X (N, R) of `source` are of another scale than a model's.

    They are if their largest value is more than `OTHER_SCALE` times larger or smaller: that of all
    pixels, that of a column, or, of small ones, that of every column; or if a column lies apart.
    """
    if len(X) == 0:
        return None
    rows = X[:: max(1, X.size // _ENOUGH)]
    if encoding.pixels:
        largest, known = float(np.abs(rows.astype(np.float64)).max()), encoding.pixels.largest
        if known is None or not largest or not scales_differ(largest, known):
            return None
        return _of_all(source, model, largest, known)
    ranges = _ranges(encoding, rows)
    reach = max((r.ratio for r in ranges), default=1.0)
    if 0 < reach < 1 / OTHER_SCALE and (len(ranges) > 1 or len(X) >= _FEW):
        widest = max(ranges, key=lambda r: r.ratio)
        return _of_all(source, model, max(map(abs, widest.now)), max(map(abs, widest.then)))
    odd = [r for r in ranges if r.is_outside or r.ratio > OTHER_SCALE]
    if not odd:
        return None
    (a, b), (low, high) = odd[0].now, odd[0].then
    more = f" (and so do {len(odd) - 1} other columns)" if len(odd) > 1 else ""
    return (
        f"{source}: {odd[0].name} goes from {a:.6g} to {b:.6g}, in the rows that {model} was "
        f"trained on from {low:.6g} to {high:.6g}{more}; give it in the same unit"
    )


def compare_targets(task: Task, old: Task, source: str, model: Path) -> str | None:
    """What to warn of if the numbers that a task predicts are of another unit than a model's."""
    if not isinstance(task, Regression) or not isinstance(old, Regression):
        return None
    found = _Range("the target", (task.low, task.high), (old.low, old.high))
    if not found.is_outside and 1 / OTHER_SCALE <= found.ratio <= OTHER_SCALE:
        return None
    return (
        f"{source}: the targets are {task.describe_range()}, those that {model} was trained on "
        f"{old.describe_range()}; give them in the same unit"
    )


def _of_all(source: str, model: Path, now: float, then: float) -> str:
    change = "multiply" if now < then else "divide"
    return (
        f"{source}: its values go up to {now:.6g}, those that {model} was trained on to "
        f"{then:.6g}; {change} them"
    )


def _ranges(encoding: Encoding, rows: Array) -> list[_Range]:
    """Of columns of numbers that vary in the training rows, and are there now."""
    ranges: list[_Range] = []
    for j, part in enumerate(encoding.parts):
        if part.kind != "number" or part.low is None or part.high is None or not part.factor:
            continue
        values = rows[:, j]
        there = values[~np.isnan(values)] if values.dtype.kind == "f" else values
        if part.high > part.low and len(there):
            name = f"column {part.position + 1}" if part.column is None else quoted(part.column)
            now = float(there.min()), float(there.max())
            ranges.append(_Range(name, now, (part.low, part.high)))
    return ranges
