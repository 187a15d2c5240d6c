"""What ends a command before its end: signals; and what ends training: patience and time."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from types import FrameType
from typing import TYPE_CHECKING

from mlpcli.errors import Interruption

if TYPE_CHECKING:
    from mlpcli.config.options import TrainConfig
    from mlpcli.training.loop import Trainer

_SAME = 1.0  # seconds in which further signals are the same wish: timeout and Slurm send it twice


class _Mode(Enum):
    """What a signal does."""

    NOTED = "it is noted, and nothing else"
    HELD = "the first one is noted, another one ends the block"
    AT_ONCE = "the first one ends the block"


class Signals:
    """SIGINT, SIGTERM and SIGHUP, from the start of a command to its end.

    The first one asks the command to stop: in a block of `at_once` by raising `Interruption` there,
    else by what `asked` returns, so that what is being written is written. Further ones within a
    second are the same one. A later one is meant: the command gives up, by an `Interruption` where
    it is; and one later still ends the process on the spot.
    """

    _NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self._mode = _Mode.NOTED
        self._forget()

    def _forget(self) -> None:
        self._number = 0
        self._count = 0
        self._last = -math.inf

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take the signals while the block runs, in the main thread."""
        self._forget()
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in self._NUMBERS}
        self.take()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def take(self) -> None:
        """Take the signals until the process ends."""
        for number in self._NUMBERS:
            # `nohup` asks for SIGHUP to be ignored.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._receive)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """A block that a signal ends at once, one that has come already too.

        Raises:
            Interruption: by a signal.
        """
        with self._in_mode(_Mode.AT_ONCE):
            if self._number:
                raise Interruption(self._number)
            yield

    @contextmanager
    def held(self) -> Iterator[None]:
        """A block that only a second signal ends.

        Raises:
            Interruption: by that.
        """
        with self._in_mode(_Mode.HELD):
            yield

    @contextmanager
    def _in_mode(self, mode: _Mode) -> Iterator[None]:
        before, self._mode = self._mode, mode
        try:
            yield
        finally:
            self._mode = before

    def note(self) -> None:
        """From now on only note signals, as a forked process does for whom another decides."""
        self._forget()
        self._mode = _Mode.NOTED
        self.take()

    def ignore(self) -> None:
        """Ignore signals from now on: all is done."""
        for number in self._NUMBERS:
            signal.signal(number, signal.SIG_IGN)

    def asked(self) -> int:
        """SIGINT or SIGTERM if the command is to stop, else 0."""
        return self._number

    def _receive(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._last < _SAME:
            return
        self._last = now
        self._count += 1
        self._number = signal.SIGINT if number == signal.SIGINT else signal.SIGTERM
        if self._mode is _Mode.NOTED or (self._mode is _Mode.HELD and self._count == 1):
            return
        if self._count > 2:
            os._exit(128 + self._number)
        stop = Interruption(self._number, again=self._count > 1)
        if _imports(frame):  # an exception in there may be lost, or leave half a module
            os.write(2, f"mlp: {stop}\n".encode())
            os._exit(stop.exit_code)
        raise stop


def _imports(frame: FrameType | None) -> bool:
    """Whether a module is being imported where a signal came."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


SIGNALS = Signals()
"""Those of this process."""


class Limits:
    """What ends training early: patience and time.

    Args:
        config: of training.
        trainer: of the run.
        begun: when the command began, by the monotonic clock.
        how_to_resume: the hint to print with it, if any.
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
        hint = f"; {self._how_to_resume}" if self._how_to_resume else ""
        return f"the time is up after epoch {self._trainer.progress.epoch}{hint}"
