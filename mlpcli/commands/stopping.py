"""SIGINT and SIGTERM in training."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mlpcli.errors import ExitCode, StoppedError


@contextmanager
def stop_signals() -> Iterator[Callable[[], int]]:
    """A function that says which of SIGINT and SIGTERM has come, 0 for none; a second one kills."""
    received = [0]
    names = (signal.SIGINT, signal.SIGTERM)

    def receive(number: int, _: object) -> None:
        received[0] = number
        for name in names:
            signal.signal(name, signal.SIG_DFL)

    before = {name: signal.signal(name, receive) for name in names}
    try:
        yield lambda: received[0]
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def stopped_by(number: int) -> StoppedError:
    if number == signal.SIGINT:
        return StoppedError("interrupted", ExitCode.INTERRUPTED)
    return StoppedError("terminated", ExitCode.TERMINATED)
