"""How many cores a run uses, and how."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cores:
    """The cores of a run.

    Attributes:
        count: all of them.
        processes: how many processes may share them; the BLAS library of each has its part.
    """

    count: int
    processes: int = 1
