"""All processes of a run as the command sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from mlpcli.arrays import Array


T = TypeVar("T")


class Job:
    """All processes of a run, seen from one of them; here, from a process that started alone.

    Attributes:
        rank: which one this is; only rank 0 prints and writes.
        size: how many there are.
    """

    rank = 0
    size = 1

    def first(self, make: Callable[[], T]) -> T:
        """Call `make` on rank 0 alone, and return its result on every rank.

        Raises:
            RanksError: on all ranks, what it raised there.
        """
        return make()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Return a block in which no rank waits for another: all ranks get through it, or none.

        Raises:
            RanksError: on all ranks, what the first rank that failed raised there.
        """
        yield

    def same(self, what: str, contents: Any) -> None:
        """Compare a buffer of bytes by its digest.

        Raises:
            RanksError: `what` differs between the ranks, and where.
        """

    def send(self, array: Array) -> None:
        """`array` ← rank 0's, in place."""

    def wait(self) -> None:
        """Wait until all ranks have come here."""

    def cores(self) -> int | None:
        """Return how many cores a rank has to itself; None: all of the machine's."""
        return None

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Return a block around the whole run: an error on this rank alone ends the others too."""
        yield

    @contextmanager
    def watched(self, say: Callable[[], None]) -> Iterator[None]:
        """Return a block around training; `say` is called if a signal comes during a vain wait."""
        yield
