"""Rows that repeat others: one held out, whose copy is trained on, is scored as if it were new."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlpcli.arrays import Array, thinned

_SHARE = 0.05  # of rows that are copies: fewer change no figure by much
_TIMES = 10  # as many pairs as chance makes, which columns with few values leave to it
_BLOCK = 4096  # rows
_SAMPLE = 10_000  # rows that tell what chance makes


def count_copies(parts: Sequence[Array]) -> int:
    """How many rows of all parts, each (N, R), repeat an earlier one.

    0 if they are few, or no more than rows whose columns know nothing of each other would have.
    """
    keys = np.concatenate([_keys(X) for X in parts])
    counts = np.unique(keys, return_counts=True)[1]
    copies, N = len(keys) - len(counts), len(keys)
    if copies <= _SHARE * N:
        return 0
    by_chance = _coincidence(parts[0]) * N * (N - 1)
    return copies if (counts * (counts - 1.0)).sum() > _TIMES * by_chance else 0


def _keys(X: Array) -> Array:
    """(N,) int64, alike for rows that are, and for others by a chance of 2⁻⁶⁴."""
    keys = np.empty(len(X), np.int64)
    for start in range(0, len(X), _BLOCK):
        rows = X[start : start + _BLOCK] + np.float32(0)  # -0 is 0
        keys[start : start + len(rows)] = [hash(row.tobytes()) for row in rows]
    return keys


def _coincidence(X: Array) -> float:
    """The chance that two rows are alike, if their columns are independent."""
    rows, chance = thinned(X, _SAMPLE), 1.0
    pairs = max(1.0, len(rows) * (len(rows) - 1.0))
    for values in rows.T:
        counts = np.unique(values, return_counts=True)[1]
        chance *= float((counts * (counts - 1.0)).sum()) / pairs
    return chance
