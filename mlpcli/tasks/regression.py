"""Regression: a target is a number; what counts is how far the answer is from it.

The network learns (y − mean)/deviation of the training rows, so that a loss, a rate and an initial
weight mean the same whatever the target's unit. Losses are reported in that standardised unit,
RMSE, MAE and answers in the target's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from mlpcli.arrays import LARGE, WHOLE, Array, FileRows
from mlpcli.errors import DataError
from mlpcli.records import record
from mlpcli.tasks.task import Predictions, Scores, TaskKind, another_column
from mlpcli.text import aligned, span

LABELS = {"rmse": "RMSE", "mae": "MAE", "r2": "R²"}
"""What its figures are called for a person."""

_STRATA = 10
_LARGEST = 5  # errors, of which the rows are shown
_RESAMPLES = 1000  # of the bootstrap
_GROUPS = 10_000  # of rows, at most, that it draws from
_ROUNDED = 1e-12  # of the mean square: targets that vary less are the same but for rounding
_CROWDED = 3  # numbers that share more digits than so many are shown with more


@record
class Regression:
    """Rows have a number to predict.

    Attributes:
        mean, deviation: of the training rows' targets.
        low, high: the least and the greatest of them.
    """

    mean: float
    deviation: float
    low: float
    high: float

    kind: ClassVar[TaskKind] = "regression"
    headline: ClassVar[str] = "rmse"
    headline_name: ClassVar[str] = "RMSE"
    upward: ClassVar[int] = -1
    target_dtype: ClassVar[Any] = np.float64

    @property
    def outputs(self) -> int:
        return 1

    @classmethod
    def learn(cls, labels: Array, source: str, column: str = "") -> Regression:
        """The task of these training rows' targets, which a table's `column` holds.

        Raises:
            DataError: they are all the same, or so large or small that their squares are not
                numbers.
        """
        y = labels.astype(np.float64)
        low, high = float(y.min()), float(y.max())
        if low == high:
            raise DataError(
                f"{source}: every training row has the target {low:g}; there is nothing to learn"
                + another_column(column)
            )
        if max(-low, high) > LARGE or (high - low) * LARGE < 1:
            raise DataError(
                f"{source}: the targets are from {low:.6g} to {high:.6g}, where squared errors "
                "cannot be computed; give them in another unit"
            )
        return cls(float(y.mean()), float(y.std()), low, high)

    @staticmethod
    def strata(labels: Array) -> Array:
        """(N,) which tenth of the targets each row is in, by rank; equal targets are together."""
        order = np.searchsorted(np.sort(labels), labels)
        return (order * _STRATA // max(len(labels), 1)).astype(np.intp)

    def encode(self, labels: Array) -> Array:
        """(N,) standardised targets, NaN for what is not a number, ±inf for what is too large."""
        if labels.dtype.kind == "U":
            return np.full(len(labels), np.nan)
        with np.errstate(over="ignore"):
            targets: Array = (labels.astype(np.float64) - self.mean) / self.deviation
        return targets

    @cached_property
    def digits(self) -> int:
        """How many significant digits tell answers apart: 8, and more far from 0."""
        return 8 + _more_digits(self.mean, self.deviation)

    def describe_range(self) -> str:
        """Where the targets lie."""
        low, high, mean = (f"{x:.{self.digits - 2}g}" for x in (self.low, self.high, self.mean))
        return f"from {low} to {high}, mean {mean}"

    def decode(self, values: Array) -> Array:
        """Standardised values in the target's unit, float64."""
        return values.astype(np.float64) * self.deviation + self.mean

    def refuse_unknown(
        self, targets: Array, labels: Array, where: str, file_rows: FileRows = WHOLE
    ) -> None:
        bad = np.flatnonzero(~np.isfinite(targets))
        if len(bad):
            row = int(bad[0])
            raise DataError(
                f"{where} has the target {labels[row]!s} (sample {file_rows.name(row)}), which is "
                "not a number; correct it, or remove the row"
            )

    def fill_targets(self, y: Array, Y: Array, smoothing: float = 0.0) -> None:
        np.copyto(Y[:, 0], y, casting="unsafe")

    def tally(self, scores: Array, losses: Array, y: Array, weights: Array | None = None) -> Array:
        """(6,): sums of the losses, of e², |e|, y and y² in the standardised unit, and a count."""
        error = scores[:, 0] - y
        rows = np.stack([losses, error * error, np.abs(error), y, y * y, np.ones(len(y))])
        sums: Array = rows.sum(axis=1) if weights is None else rows @ weights.astype(np.float64)
        return sums

    def score(self, sums: Array) -> Scores:
        count = float(sums[-1])
        loss, *means = (sums[:-1] / count).tolist()
        found = _figures(*means)
        units = {"rmse": self.deviation, "mae": self.deviation, "r2": 1.0}
        return Scores(round(count), loss, {name: found[name] * units[name] for name in units})

    def rank(self, scores: Scores, by: str) -> tuple[float, ...]:
        """The lowest loss."""
        return (-scores.loss,)

    def constant_answer(self, scores: Scores, y: Array) -> tuple[bool, str]:
        return _constant_answer(scores.figures["rmse"], self.deviation * y.astype(np.float64))

    def answer(self, outputs: Array, scores: Array) -> tuple[Array, Array | None]:
        return self.decode(outputs[:, 0]), None

    def report(self, predictions: Predictions) -> ResidualReport:
        return ResidualReport.of(predictions, self)

    def value(self, answers: Any) -> Any:
        return answers

    def describe(self, name: str | None) -> str:
        return f"{name or 'a number'} {self.describe_range()}"

    def describe_answers(self, answers: Array, labels: Array, model: str) -> str:
        with np.errstate(over="ignore"):
            rmse = np.sqrt(np.mean((answers - labels.astype(np.float64)) ** 2))
        rows = "1 row" if len(labels) == 1 else f"{len(labels):,} rows"
        return f"RMSE {rmse:.4g} over {rows}"

    def answer_columns(self, names: Sequence[str] | None) -> list[str]:
        return ["value"]

    def answer_cells(self, answer: Any, names: Sequence[str] | None) -> list[Any]:
        return [f"{answer:.{self.digits}g}"]

    def show(self, headline: float) -> str:
        return f"{headline:.4g}"

    def show_span(self, low: float, high: float) -> str:
        return span(low, high)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "mean": self.mean,
            "deviation": self.deviation,
            "low": self.low,
            "high": self.high,
        }


def _constant_answer(rmse: float, targets: Array) -> tuple[bool, str]:
    spread = float(np.std(targets))
    said = f"always answering the mean of the targets would be off by {spread:.4g}"
    return rmse < spread or spread == 0, said


@record
class ResidualReport:
    """The figures of a regression, in the target's unit.

    Attributes:
        y, predicted: (N,) float64 targets and answers.
        loss: the mean, in the standardised unit.
    """

    y: Array
    predicted: Array
    loss: float

    @classmethod
    def of(cls, predictions: Predictions, task: Regression) -> ResidualReport:
        loss = float(predictions.losses.mean())
        return cls(task.decode(predictions.y), predictions.answers, loss)

    @property
    def samples(self) -> int:
        return len(self.y)

    @property
    def residuals(self) -> Array:
        """(N,) answer minus target."""
        return self.predicted - self.y

    @property
    def digits(self) -> int:
        """How many significant digits show targets and answers."""
        return 6 + _more_digits(float(self.y.mean()), float(self.y.std()))

    @property
    def figures(self) -> dict[str, float]:
        """{rmse, mae, r2}; R² is 0 if all targets are the same."""
        e, y = self.residuals, self.y - self.y.mean()
        return _figures(*(np.mean(x) for x in (e * e, np.abs(e), y, y * y)))

    def constant_answer(self, names: Sequence[str]) -> tuple[bool, str]:
        return _constant_answer(self.figures["rmse"], self.y)

    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % intervals of the figures, by 1,000 bootstrap samples of the rows (Efron 1979).

        In place of very many rows, groups of them are drawn, which are made at random.
        """
        rng, e, y = np.random.default_rng(0), self.residuals, self.y - self.y.mean()
        rows = np.stack([e * e, np.abs(e), y, y * y, np.ones(len(y))], axis=1)
        if len(rows) > _GROUPS:
            starts = np.linspace(0, len(rows), _GROUPS, endpoint=False).astype(np.intp)
            rows = np.add.reduceat(rows[rng.permutation(len(rows))], starts)
        N = len(rows)
        drawn = (rng.integers(N, size=N) for _ in range(_RESAMPLES))
        sums = np.array([np.bincount(some, minlength=N) @ rows for some in drawn])
        found = [_figures(*means) for means in (sums[:, :-1] / sums[:, -1:]).tolist()]
        return {
            name: tuple(np.quantile([f[name] for f in found], (0.025, 0.975)).tolist())
            for name in found[0]
        }

    def describe(self) -> str:
        figures, intervals = self.figures, self.intervals()
        shown = [
            f"{label} {figures[key]:.4g} (95 % interval {span(*intervals[key])})"
            for key, label in LABELS.items()
        ]
        return "  ".join([*shown, f"loss {self.loss:.4f}"])

    def tables(
        self, names: Sequence[str], labels: Sequence[Any], row: Callable[[int], str]
    ) -> list[str]:
        rows: list[tuple[str, ...]] = [("largest errors", "target", "answer", "error")]
        for place in self.largest(_LARGEST).tolist():
            true, said = self.y[place], self.predicted[place]
            shown = (f"{value:.{self.digits}g}" for value in (true, said))
            rows.append((f"row {row(place)}", *shown, f"{said - true:+.4g}"))
        return [aligned(rows)]

    def to_json(self, labels: Sequence[Any]) -> dict[str, Any]:
        return self.figures

    def largest(self, count: int) -> Array:
        """Positions of the `count` samples with the largest errors, the largest first."""
        return np.argsort(-np.abs(self.residuals), kind="stable")[:count]


def _more_digits(mean: float, deviation: float) -> int:
    """How many that numbers share, as 1,700,000,000 and 1,700,000,050 do, beyond some."""
    if not deviation:
        return 0
    shared = math.log10(max(abs(mean) / deviation, 1))
    return math.ceil(min(9, max(0, shared - _CROWDED)))  # shared may be inf


def _figures(
    squares: float, distances: float, total: float, total_squares: float
) -> dict[str, float]:
    """Of the means of e², |e|, y and y², where any number may be taken off y."""
    spread = total_squares - total * total
    varies = spread > _ROUNDED * total_squares
    r2 = 1 - squares / spread if varies else 0.0
    return {"rmse": math.sqrt(squares), "mae": float(distances), "r2": float(r2)}
