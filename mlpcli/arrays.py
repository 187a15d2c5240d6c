"""The one name for an array; what is asked of any; and which rows of their files they hold."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import numpy as np
import numpy.typing as npt

from mlpcli.records import record

Array = npt.NDArray[Any]

LARGE = 1e150
"""Squares of larger numbers overflow in sums, those of numbers below 1/it vanish."""


def distinct(values: Array) -> Array:
    """The different values (K,), sorted."""
    return np.unique(values, return_counts=True)[0]  # without counts it imports numpy.ma, 10 ms


def thinned(rows: Array, most: int) -> Array:
    """At most so many of the rows, evenly spread: a view of every k-th one."""
    return rows[:: -(-len(rows) // most) or 1]


@record
class FileRows:
    """Which rows of their files those of an array (N, …) are.

    Attributes:
        kept: (N,) from 0, of the rows of all files; None: these are all.
        files: what to call each of several files.
        starts: how many rows there are before each.
    """

    kept: Array | None = None
    files: tuple[str, ...] = ()
    starts: tuple[int, ...] = ()

    def find(self, row: int) -> tuple[int, str | None]:
        """(the number from 1 in its file of a row of the array, the file if there are several)."""
        place = row if self.kept is None else int(self.kept[row])
        if not self.files:
            return place + 1, None
        i = bisect_right(self.starts, place) - 1
        return place - self.starts[i] + 1, self.files[i]

    def name(self, row: int) -> str:
        """ "1,204", or "1,204 of b.csv", for messages."""
        number, file = self.find(row)
        return f"{number:,}" if file is None else f"{number:,} of {file}"


WHOLE = FileRows()
"""All rows of one file."""
