"""All processes of a run as the command sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from mlpcli.arrays import Array


T = TypeVar("T")


class Job:
    """All processes of a run, seen from one of them; here, from one that started alone.

    Attributes:
        rank: which one this is; only rank 0 prints and writes.
        size: how many there are.
    """

    rank = 0
    size = 1

    def first(self, make: Callable[[], T]) -> T:
        """What `make` returns on rank 0, where alone it is called.

        Raises:
            RanksError: what it raised there, on all ranks.
        """
        return make()

    @contextmanager
    def together(self) -> Iterator[None]:
        """A block in which no rank waits for another. All come through it, or none.

        Raises:
            RanksError: what the first of the ranks that failed raised there, on all ranks.
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
        """How many cores a rank has to itself; None: all that there are."""
        return None

    @contextmanager
    def whole(self) -> Iterator[None]:
        """The whole run: an error that the others do not have ends them, too."""
        yield

    @contextmanager
    def watched(self, say: Callable[[], None]) -> Iterator[None]:
        """Training: `say` is called where a signal finds this rank waiting for one that is gone."""
        yield
