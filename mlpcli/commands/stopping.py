"""What ends training before its plan: signals, patience, time."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlpcli.errors import ExitCode, StoppedError

if TYPE_CHECKING:
    from mlpcli.config.options import TrainConfig
    from mlpcli.training.loop import Trainer


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


class Limits:
    """What ends training before its plan: patience, and time.

    Args:
        config: of training.
        trainer: of the run.
        begun: when the command began, by the monotonic clock.
        how_to_resume: what is said with it.
    """

    def __init__(
        self, config: TrainConfig, trainer: Trainer, begun: float, how_to_resume: str
    ) -> None:
        self._config = config
        self._trainer = trainer
        self._begun = begun
        self._how_to_resume = how_to_resume

    def patience_is_over(self) -> str | None:
        """Why training ends early, if no epoch has been the best for long enough."""
        patience, now = self._config.patience, self._trainer.progress
        if patience is None or now.epoch - now.best_epoch < patience:
            return None
        return f"stopped early: none of {patience} epochs was better than epoch {now.best_epoch}"

    def time_is_up(self) -> str | None:
        """Why training ends for now, if the time is up; every rank asks at once."""
        limit = self._config.max_time
        if limit is None:
            return None
        over = time.monotonic() - self._begun >= limit * 60
        if not self._trainer.ranks.agree(over):
            return None
        return f"the time is up after epoch {self._trainer.progress.epoch}; {self._how_to_resume}"
