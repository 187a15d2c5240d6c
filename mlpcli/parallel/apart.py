"""Pieces of work in processes of their own, which say by messages what they have done."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from mlpcli.errors import ExitCode, MlpError, OutputError, RanksError
from mlpcli.text import one_line

Send = Callable[[Any], None]

_LOOK = 0.1  # seconds without a message, after which to look around


class Apart:
    """Runs `work(number, send)` for some numbers, so many at once, each in a process of its own.

    With one at once, or where no process can be forked, all is done one by one in this process.

    Args:
        at_once: how many may run at a time.
        work: what to do; it ends early if the process gets SIGTERM, or if `look` says so.
        receive: called here as `receive(number, message)` with what `work` sends.
        look: called here again and again; returns a signal that all are to stop for, or 0.
    """

    def __init__(
        self,
        at_once: int,
        work: Callable[[int, Send], None],
        receive: Callable[[int, Any], None],
        look: Callable[[], int],
    ) -> None:
        self._at_once = at_once if sys.platform == "linux" else 1  # BLAS may not survive a fork
        self._work, self._receive, self._look = work, receive, look
        self._running: dict[Connection, tuple[int, BaseProcess]] = {}
        self._problem: RanksError | None = None

    def run(self, names: Mapping[int, str]) -> None:
        """Do it for all numbers, which have names for a person; return when all have ended.

        Raises:
            RanksError: the first error of one of them, once the others have stopped for it.
        """
        waiting, self._names = list(names), names
        before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            while waiting or self._running:
                stop = self._look() or (signal.SIGTERM if self._problem else 0)
                if stop:
                    waiting.clear()
                    self._tell_to_stop()
                elif waiting and self._at_once > 1:
                    self._begin(waiting)
                elif waiting:
                    number = waiting.pop(0)
                    try:
                        self._work(number, partial(self._receive, number))
                    except OutputError:
                        raise
                    except MlpError as error:
                        self._note(number, f": {error}", error.exit_code)
                self._listen()
        finally:
            for _, process in self._running.values():
                process.kill()
                process.join()
            signal.signal(signal.SIGCHLD, before)
        if self._problem:
            raise self._problem

    def _begin(self, waiting: list[int]) -> None:
        context = multiprocessing.get_context("fork")
        while waiting and len(self._running) < self._at_once:
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=self._be, args=(waiting[0], here, there), daemon=True)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)  # of threads: they wait
                    process.start()
            except OSError:
                self._at_once = max(len(self._running), 1)
                return
            finally:
                there.close()
            self._running[here] = waiting.pop(0), process

    def _be(self, number: int, here: Connection, there: Connection) -> None:
        """Be the other process."""
        parent = os.getppid()
        for connection in (here, *self._running):
            connection.close()

        def send(message: Any) -> None:
            if os.getppid() != parent:
                os._exit(1)
            there.send((False, message))

        try:
            self._work(number, send)
        except MlpError as error:
            there.send((True, (f": {error}", error.exit_code)))
        except BrokenPipeError:  # nobody listens any more
            os._exit(1)
        except BaseException as error:
            text = f" failed: {type(error).__name__}: {one_line(error)}"
            there.send((True, (text, ExitCode.FAILED)))

    def _listen(self) -> None:
        """Receive what there is, or wait a little for it."""
        for connection in wait(list(self._running), _LOOK) if self._running else []:
            assert isinstance(connection, Connection)
            number, process = self._running[connection]
            try:
                failed, message = connection.recv()
            except (EOFError, OSError):
                process.join()
                del self._running[connection]
                if process.exitcode:
                    self._note(
                        number,
                        f" was killed by signal {-process.exitcode}; free memory, or "
                        "use --threads 1",
                        ExitCode.FAILED,
                    )
                continue
            if failed:
                self._note(number, *message)
            else:
                self._receive(number, message)

    def _note(self, number: int, text: str, code: ExitCode) -> None:
        self._problem = self._problem or RanksError(f"{self._names[number]}{text}", code)

    def _tell_to_stop(self) -> None:
        for _, process in self._running.values():  # again and again: one may just have begun
            with suppress(ProcessLookupError):
                process.terminate()
