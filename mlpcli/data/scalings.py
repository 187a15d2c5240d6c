"""How numbers are scaled: x ← (x − shift)·factor, of the training rows, and then perhaps a clip.

A scaling is declared here alone: a `Scaling` in `SCALINGS`, under the name that --scale takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mlpcli.arrays import Array
from mlpcli.records import record

_CHUNK = 8192  # rows at a time
_BLOCK = 1 << 21  # cells of whole columns at a time
_MOST = 1 << 25  # cells whose quantiles are taken; of more, those of evenly spaced rows
_CACHED = 1 << 13  # cells clipped at a time
_FAR = 1e9  # beyond it x/√(1 + (x/3)²) is ±3 in every digit
_LEAST = 1e-300  # of smaller spreads the inverse is more than a checkpoint may hold
_ENOUGH = 1 << 20  # the same if the median is only for gaps in later rows


class Numbers:
    """The training rows' columns of numbers, M of them, with each gap filled by the median.

    Args:
        X: (N, R) raw columns.
        rows: those that are for training.
        columns: which of the R columns hold numbers.

    Attributes:
        missing: (M,) how many of the rows miss a number.
        low, high, median: (M,) float64, of the numbers that are there; 0 if none is.
    """

    def __init__(self, X: Array, rows: Array, columns: Sequence[int]) -> None:
        self._X, self._rows, self._columns = X, rows, np.array(columns, np.intp)
        self._all = len(columns) == X.shape[1]
        M = len(columns)
        self.missing = np.zeros(M, np.int64)
        self.low, self.high, self.median = np.full(M, np.inf), np.full(M, -np.inf), np.zeros(M)
        self._moments = self._learn(fill=False)
        nothing = self.missing == len(rows)
        self.low[nothing] = self.high[nothing] = 0.0
        self._learn_medians()

    def moments(self) -> tuple[Array, Array]:
        """(mean (M,), standard deviation (M,)), float64, of the filled columns."""
        return self._learn(fill=True) if self.missing.any() else self._moments

    def _learn(self, *, fill: bool) -> tuple[Array, Array]:
        """The moments, in one pass; the first one, which does not `fill` gaps, finds the rest."""
        M, seen = len(self.median), 0
        mean, squares = np.zeros(M), np.zeros(M)
        for raw in self._raw():
            if not fill:
                self._see(raw)
            chunk = raw.astype(np.float64)
            if fill:
                np.copyto(chunk, self.median, where=np.isnan(chunk))
            # Chan, Golub & LeVeque 1979: pooled mean and sum of squares, without cancellation
            n, chunk_mean = len(chunk), chunk.mean(axis=0)
            difference = chunk_mean - mean
            chunk -= chunk_mean
            squares += np.einsum("ij,ij->j", chunk, chunk)
            squares += difference**2 * (seen * n / (seen + n))
            mean += difference * (n / (seen + n))
            seen += n
        return mean, np.sqrt(squares / seen)

    def _see(self, raw: Array) -> None:
        """Count the gaps of some rows, and widen the range."""
        low, high = raw.min(axis=0), raw.max(axis=0)
        if low.dtype.kind == "f" and np.isnan(low).any():
            self.missing += np.isnan(raw).sum(axis=0)
            low, high = np.fmin.reduce(raw, axis=0), np.fmax.reduce(raw, axis=0)
        np.fmin(self.low, low, out=self.low)
        np.fmax(self.high, high, out=self.high)

    def quantiles(self, shares: Sequence[float]) -> Array:
        """(len(shares), M) float64 quantiles of the columns, linear between neighbours."""
        found = np.zeros((len(shares), len(self._columns)))
        for block, values in self._blocks(_MOST):
            np.copyto(values, self.median[block], where=np.isnan(values))
            found[:, block] = np.quantile(values, shares, axis=0, overwrite_input=True)
        return found

    def _learn_medians(self) -> None:
        for block, values in self._blocks(_MOST if self.missing.any() else _ENOUGH):
            self.median[block] = np.median(values, axis=0, overwrite_input=True)
            for j in np.flatnonzero(self.missing[block]):
                there = values[~np.isnan(values[:, j]), j]
                self.median[block.start + j] = np.median(there) if len(there) else 0.0

    def _raw(self) -> Iterator[Array]:
        for start in range(0, len(self._rows), _CHUNK):
            chunk = self._X[self._rows[start : start + _CHUNK]]
            yield chunk if self._all else chunk[:, self._columns]

    def _blocks(self, cells: int) -> Iterator[tuple[slice, Array]]:
        """(which columns, (n, b) float64 with NaN where a number is missing), some at a time."""
        M, N = len(self._columns), len(self._rows)
        count = min(N, max(1, cells // max(M, 1)))
        rows = self._rows[np.linspace(0, N - 1, count).astype(np.intp)]
        width = max(1, _BLOCK // count)
        for start in range(0, M, width):
            block = slice(start, min(start + width, M))
            values = self._X[rows[:, np.newaxis], self._columns[block]]
            yield block, values.astype(np.float64, copy=False)


@record
class Scaling:
    """A way to scale numbers.

    Attributes:
        learn: (shift (M,), factor (M,)), float64; a factor of 0 makes a constant column 0.
        clip: what bounds the scaled numbers afterwards, in place; or None.
    """

    learn: Callable[[Numbers], tuple[Array, Array]]
    clip: Callable[[Array], None] | None = None


def _nothing(numbers: Numbers) -> tuple[Array, Array]:
    return np.zeros(len(numbers.median)), np.ones(len(numbers.median))


def _standard(numbers: Numbers) -> tuple[Array, Array]:
    """The mean, and 1 over the standard deviation."""
    mean, deviation = numbers.moments()
    return mean, _inverse(deviation, deviation > _rounding(mean))


def _robust(numbers: Numbers) -> tuple[Array, Array]:
    """The median, and 1 over the distance of the quartiles, or 2 over the range if that is 0.

    With `clip_smoothly`: Holzmüller, Grinsztajn & Steinwart 2024, arXiv 2407.04491.
    """
    low, median, high = numbers.quantiles([0.25, 0.5, 0.75])
    least = _rounding(median)
    spread = np.where(high - low > least, high - low, (numbers.high - numbers.low) / 2)
    return median, _inverse(spread, spread > least)


def _rounding(middle: Array) -> Array:
    """What numbers that are the same may differ by: 0.1 + 0.2 is not 0.3."""
    return np.maximum(1e-12 * np.abs(middle), _LEAST)


def _inverse(spread: Array, varies: Array) -> Array:
    inverse: Array = np.where(varies, 1 / np.where(varies, spread, 1.0), 0.0)
    return inverse


def clip_smoothly(x: Array) -> None:
    """x ← x/√(1 + (x/3)²), which stays within ±3."""
    rows = max(1, _CACHED * len(x) // max(x.size, 1))
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        np.clip(part, -_FAR, _FAR, out=part)  # no square overflows
        root = np.multiply(part, part)
        root *= 1 / 9
        root += 1
        np.sqrt(root, out=root)
        np.divide(part, root, out=part)


SCALINGS = {
    "none": Scaling(_nothing),
    "standard": Scaling(_standard),
    "robust": Scaling(_robust, clip_smoothly),
}
