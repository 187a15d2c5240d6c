"""The one name for an array, whatever its dtype and shape; what is asked of arrays of any kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

LARGE = 1e150
"""Squares of larger numbers overflow in sums, those of numbers below 1/it vanish."""


def distinct(values: Array) -> Array:
    """The different values (K,), sorted."""
    return np.unique(values, return_counts=True)[0]  # without counts it imports numpy.ma, 10 ms


def row_number(row: int, file_rows: Array | None) -> int:
    """Which row of its file, from 1, a row of an array is; `file_rows`: see `Dataset`."""
    return 1 + (row if file_rows is None else int(file_rows[row]))
