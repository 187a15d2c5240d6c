"""Processes on this machine that share memory."""

from __future__ import annotations

import math
import mmap
import multiprocessing
import os
import signal
import sys
import warnings
from contextlib import suppress
from types import TracebackType
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.errors import MlpError

_LINE = 16  # numbers; parts end where cache lines end, so that no two ranks write to one


_SLOT = 1024  # float64 numbers that a rank can show the others at a time


_SPINS = 5000  # tries to pass a semaphore before sleeping on it, 1 ms: a sleeper wakes late


_PATIENCE = 0.2  # seconds asleep before looking whether the others are still alive


class Forked:
    """Processes on this machine that share the memory of parameters, gradient and optimizer state.

    Args:
        size: how many processes.

    Each runs its share of a batch forward and back by itself, including the element-wise work,
    whereas threads of the BLAS library share only the products. Then each computes the gradient of
    its part of the parameters from all rows, and updates that part.

    As a context manager it forks the others on entry (everything that they need must exist by
    then) and ends them on exit. A rank above 0 never leaves the block: its process ends there.

    Raises:
        MlpError: from a call that waits, if another rank has died.
    """

    def __init__(self, size: int) -> None:
        context = multiprocessing.get_context("fork")
        self.rank = 0
        self.size = size
        self.shared = True
        self._children: list[int] = []
        self._parent = os.getpid()
        # One semaphore per pair, so that a fast rank that comes again is not taken for another.
        self._arrived = [[context.Semaphore(0) for _ in range(size)] for _ in range(size)]
        self._slots = self.zeros((2, size, _SLOT), np.float64)
        self._turn = 0
        self._closed = self.zeros((1,), np.int64)

    def __enter__(self) -> Forked:
        sys.stdout.flush()
        sys.stderr.flush()
        self._cores = os.sched_getaffinity(0)
        for rank in range(1, self.size):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # OpenBLAS is ready for a fork
                child = os.fork()
            if child == 0:
                self.rank = rank
                self._children = []
                for name in (signal.SIGINT, signal.SIGTERM):  # outside of training, rank 0 decides
                    signal.signal(name, signal.SIG_IGN)
                break
            self._children.append(child)
        if (
            len(self._cores) == self.size
        ):  # else the scheduler lets two that wake share a core for a while
            os.sched_setaffinity(0, {sorted(self._cores)[self.rank]})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.rank:
            os._exit(0 if error is None or isinstance(error, MlpError) else 1)
        self._closed[0] = 1
        for others in self._arrived[0][1:]:
            others.release()
        for child in self._children:
            with suppress(ChildProcessError):
                os.waitpid(child, 0)
        os.sched_setaffinity(0, self._cores)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Array:
        count, item = math.prod(shape), np.dtype(dtype).itemsize
        memory = mmap.mmap(-1, max(count * item, 1))
        return np.frombuffer(memory, dtype, count).reshape(shape)

    def share(self, n: int) -> slice:
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def part(self, n: int) -> slice:
        ends = [-(-n * k // (self.size * _LINE)) * _LINE for k in (self.rank, self.rank + 1)]
        return slice(*(min(end, n) for end in ends))

    def sum_gradient(self, gradient: Array) -> None:
        pass  # each already has that of its part from all rows

    def over_parts(self, value: float) -> float:
        values = np.array([value])
        self.total(values)
        return float(values[0])

    def total(self, values: Array) -> None:
        flat = values.reshape(-1)
        for start in range(0, len(flat), _SLOT):
            chunk = flat[start : start + _SLOT]
            # Two sets take turns: a fast rank writes to one while a slow one reads the other.
            self._turn = 1 - self._turn
            slots = self._slots[self._turn, :, : len(chunk)]
            slots[self.rank] = chunk
            self._wait()
            np.add.reduce(slots, axis=0, out=chunk)

    def agree(self, number: int) -> int:
        return int(self.over_parts(0 if self.rank else number))

    def settle(self) -> None:
        self._wait()

    def same(self, what: str, contents: Any) -> None:
        """They lie in memory that all share."""

    def _wait(self) -> None:
        """Wait until every rank has come here."""
        others = [rank for rank in range(self.size) if rank != self.rank]
        for other in others:
            self._arrived[self.rank][other].release()
        for other in others:
            semaphore = self._arrived[other][self.rank]
            for _ in range(_SPINS):
                if semaphore.acquire(False):
                    break
            else:
                while not semaphore.acquire(True, _PATIENCE):
                    self._look_after_the_others()
        if self.rank and self._closed[0]:
            os._exit(0)

    def _look_after_the_others(self) -> None:
        if self.rank:
            if os.getppid() != self._parent or self._closed[0]:
                os._exit(1)
            return
        for child in self._children:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                self._children.remove(child)
                code = os.waitstatus_to_exitcode(status)
                how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
                raise MlpError(
                    f"one of the {self.size} processes that train {how}; "
                    "free memory, or use --threads 1"
                )
