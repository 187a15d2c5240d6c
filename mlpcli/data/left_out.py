"""Columns that tell nothing of a row: they count, name or repeat."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from mlpcli.arrays import Array, distinct
from mlpcli.data.cells import several_units
from mlpcli.data.readings import CategoryCells, Reading

USABLE = ("constant", "counts the rows", "numbers the rows")
"""Reasons to leave a column out that do not hold if there is no other."""

_INDEX = {"idx", "index", "rowindex", "rowname", "rownames", "rownumber"}
_NEARLY_EVERY = 0.9  # texts per present cell of a column that names its rows
_FIRST = 100  # rows that usually show that a column is of use


def find_reason(
    values: Array, reading: Reading, starts: Sequence[int], *, ascending: bool, shuffled: bool
) -> str:
    """Why a column is to be left out, or "".

    Args:
        values: (N,) what was read.
        reading: by which it was read.
        starts: the rows with which files begin.
        ascending: whether numbers of rows may be in it, as it has no name, or that of an index.
        shuffled: whether these may be in any order.
    """
    if not isinstance(reading, CategoryCells) and not ascending and _plainly_tells(values):
        return ""
    present = len(values) - int(np.count_nonzero(np.isnan(values)))
    if present == 0:
        return "empty"
    if isinstance(reading, CategoryCells):
        texts = len(reading.names) + reading.beyond
        if texts > max(2, _NEARLY_EVERY * present):
            if reading.doubtful:
                return "day and month in doubt"
            units = several_units(reading.names[:_FIRST])
            return f"numbers of several units: {units}" if units else "differs in nearly every row"
        return "constant" if texts == 1 and present == len(values) > 1 else ""
    if present < len(values) or len(values) == 1:
        return ""
    if values.min() == values.max():
        return "constant"
    if counts_rows(values, starts):
        return "counts the rows"
    numbers = (ascending and _ascends(values)) or (shuffled and _are_different(values))
    return "numbers the rows" if numbers else ""


def is_id(name: str) -> bool:
    """Whether a column is called as one that tells apart what rows are of: id, CustomerID."""
    return _words(name)[-1] in ("id", "uid")


def is_index(name: str) -> bool:
    """Whether a column is called as numbers of rows are: rownames, PassengerId, "Serial No."."""
    words = _words(name)
    return is_id(name) or words[-1] in ("no", "nr") or "".join(words) in _INDEX


def _words(name: str) -> list[str]:
    """The words of a name, at least one."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W_]+", spaced.casefold()) or [""]


def _plainly_tells(values: Array) -> bool:
    """Whether the first rows of a column of numbers show that it is of use."""
    first = values[:_FIRST]
    counts = len(first) > 1 and first[0] in (0, 1) and first[1] == first[0] + 1
    known = first[~np.isnan(first)]
    return bool(len(known) and known.min() < known.max() and not counts)


def counts_rows(values: Array, starts: Sequence[int] = (0,)) -> bool:
    """Whether a column (N,) is 0, 1, 2, … or 1, 2, 3, …, in all or in each file."""
    N = len(values)
    if N < 3 or values[0] not in (0, 1):
        return False
    rows = np.arange(N)
    if np.array_equal(values, rows + values[0]):
        return True
    within = np.repeat(starts, np.diff([*starts, N]))
    return np.array_equal(values, rows - within + values[0])


def _ascends(values: Array) -> bool:
    """Whether values are whole, and each is greater than the one before."""
    return bool((np.diff(values) > 0).all() and (values == np.rint(values)).all())


def _are_different(values: Array) -> bool:
    """Whether values count from 0 on, and no two are the same, as numbers of shuffled rows are."""
    whole = (values == np.rint(values)).all() and values.min() >= 0
    return bool(whole and len(distinct(values)) == len(values))
