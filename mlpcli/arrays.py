"""The one name for an array, whatever its dtype and shape; distinct values; a row's number."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def distinct(values: Array) -> Array:
    """The different values (K,), sorted."""
    return np.unique(values, return_counts=True)[0]  # without counts it imports numpy.ma, 10 ms


def row_number(row: int, kept: Array | None) -> int:
    """Which row of its file, from 1, is one of those that were `kept` of it, or of all if None."""
    return 1 + (row if kept is None else int(kept[row]))
