"""What ends training early: signals, patience, time."""

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
    """Yield a function that says which of SIGINT and SIGTERM came, or 0; a second one kills."""
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
    """What ends training early: patience and time.

    Args:
        config: of training.
        trainer: of the run.
        begun: when the command began, by the monotonic clock.
        how_to_resume: the hint to print with it.
    """

    def __init__(
        self, config: TrainConfig, trainer: Trainer, begun: float, how_to_resume: str
    ) -> None:
        self._config = config
        self._trainer = trainer
        self._begun = begun
        self._how_to_resume = how_to_resume

    def patience_is_over(self) -> str | None:
        """Return why training ends early, if the best epoch is long enough ago."""
        patience, now = self._config.patience, self._trainer.progress
        if patience is None or now.epoch - now.best_epoch < patience:
            return None
        return f"stopped early: none of {patience} epochs was better than epoch {now.best_epoch}"

    def time_is_up(self) -> str | None:
        """Return why training ends for now, if the time is up; all ranks ask at the same step."""
        limit = self._config.max_time
        if limit is None:
            return None
        over = time.monotonic() - self._begun >= limit * 60
        if not self._trainer.ranks.agree(over):
            return None
        return f"the time is up after epoch {self._trainer.progress.epoch}; {self._how_to_resume}"
