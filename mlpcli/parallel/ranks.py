"""Data-parallel training: ranks that divide every batch among themselves.

Every rank runs the whole training loop on its share of each batch, and all of them take the same
step. `Ranks` is what the loop needs of them; a single process is `Alone`, several on one
machine are `Forked`, and those of an MPI job are in `mlpcli.parallel.mpi`. `Forked` ranks see the
whole batch, so each computes a part of its gradient from all rows; those of MPI sum gradients.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from mlpcli.arrays import Array


class Ranks(Protocol):
    """The processes of one run, seen from one of them.

    Attributes:
        rank: which one this is; only rank 0 prints and writes.
        size: how many there are.
        shared: whether all ranks see the same array from `zeros`.
        problem: why there are fewer than were asked for, or None.
    """

    rank: int
    size: int
    shared: bool
    problem: str | None

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """Return an array for a batch, or for parameters and their state."""

    def share(self, n: int) -> slice:
        """Return which of n rows are this rank's; none if there are fewer rows than ranks."""

    def part(self, n: int) -> slice:
        """Return which of n numbers in an array from `zeros` this rank updates."""

    def sum_gradient(self, gradient: Array) -> None:
        """Sum the gradient over the ranks in place, if each has that of its own rows only."""

    def over_parts(self, value: float) -> float:
        """Return the sum of a value that each rank has computed for its part."""

    def total(self, values: Array) -> None:
        """Sum float64 `values` over the ranks in place, once all ranks have called this."""

    def agree(self, number: int) -> int:
        """Return rank 0's value on every rank."""

    def settle(self) -> None:
        """Wait until every rank has updated its part."""

    def same(self, what: str, contents: Any) -> None:
        """Raise RanksError if the bytes of an array from `zeros` differ between the ranks."""

    def __enter__(self) -> Any:
        """Begin to work together."""

    def __exit__(self, *error: Any) -> None:
        """Separate."""


class Alone:
    """A single process: there is nothing to share, sum or wait for."""

    rank = 0
    size = 1
    shared = False
    problem: str | None = None

    def __enter__(self) -> Alone:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Array:
        return np.zeros(shape, dtype)

    def share(self, n: int) -> slice:
        return slice(0, n)

    def part(self, n: int) -> slice:
        return slice(0, n)

    def sum_gradient(self, gradient: Array) -> None:
        pass

    def over_parts(self, value: float) -> float:
        return value

    def total(self, values: Array) -> None:
        pass

    def agree(self, number: int) -> int:
        return number

    def settle(self) -> None:
        pass

    def same(self, what: str, contents: Any) -> None:
        pass
