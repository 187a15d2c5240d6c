"""Data-parallel training: ranks that share every batch out among them.

Every rank runs the whole training loop on its share of each batch, and all of them take the same
step. What the loop needs of its ranks is `Ranks`; a single process is `Alone`, several on one
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
        shared: whether an array from `zeros` is one that all ranks have in common.
    """

    rank: int
    size: int
    shared: bool

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array for a batch, or for parameters and what goes with them."""

    def share(self, n: int) -> slice:
        """Which of n rows are this rank's; none where there are fewer rows than ranks."""

    def part(self, n: int) -> slice:
        """Which of n numbers in an array from `zeros` this rank keeps up to date."""

    def sum_gradient(self, gradient: Array) -> None:
        """Sum over the ranks, in place, where each has that of its share of the rows."""

    def over_parts(self, value: float) -> float:
        """The sum of a value that each rank has computed of its part."""

    def total(self, values: Array) -> None:
        """Sum float64 `values` over the ranks, in place, once all of them have come to it."""

    def agree(self, number: int) -> int:
        """What rank 0 says, on every rank."""

    def settle(self) -> None:
        """Wait until every rank's part is up to date."""

    def same(self, what: str, contents: Any) -> None:
        """Raise RanksError where the bytes of an array from `zeros` differ between the ranks."""

    def __enter__(self) -> Any:
        """Begin to work together."""

    def __exit__(self, *error: Any) -> None:
        """Part."""


class Alone:
    """A single process: there is nothing to share, sum or wait for."""

    rank = 0
    size = 1
    shared = False

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
