"""Columns that alone tell the label, as one does that was made of it, or it of the column."""

from __future__ import annotations

import numpy as np

from mlpcli.arrays import Array, distinct, thinned

_LEAST = 30  # rows, of which chance makes no such column
_EACH = 5  # rows of every class in a stretch of its own
_REPEATED = 10  # rows per value of a column by whose values alone it is told
_SAMPLE = 10_000  # rows that rule nearly all columns out


def find_telling(X: Array, y: Array, *, classes: bool) -> list[int]:
    """The columns of X (N, R), NaN where a value is missing, that each tell all of y (N,).

    To tell classes, rows of one value are of one class, and values repeat, or each class is a
    stretch of values. To tell numbers, they rise or fall with the column all along.
    """
    some, theirs = thinned(X, _SAMPLE), thinned(y, _SAMPLE)
    found = [j for j in range(X.shape[1]) if _tells(some[:, j], theirs, classes)]
    return [j for j in found if _tells(X[:, j], y, classes)]


def _tells(values: Array, y: Array, classes: bool) -> bool:
    known = np.flatnonzero(~np.isnan(values))
    if len(known) < max(_LEAST, len(values) / 2):
        return False
    order = known[np.argsort(values[known], kind="stable")]
    values, y = values[order], y[order]
    if not classes:
        steps = np.diff(y)
        return bool(((steps >= 0).all() or (steps <= 0).all()) and steps.any())
    changes, steps = y[1:] != y[:-1], values[1:] != values[:-1]
    if not changes.any() or (changes & ~steps).any():
        return False
    if _REPEATED * (1 + np.count_nonzero(steps)) <= len(y):
        return True
    stretches = np.diff(np.flatnonzero(np.concatenate([[True], changes, [True]])))
    return bool(len(stretches) == len(distinct(y)) and stretches.min() >= _EACH)
