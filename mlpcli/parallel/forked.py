"""Processes on this machine that share memory."""

from __future__ import annotations

import math
import mmap
import multiprocessing
import os
import signal
import sys
import time
import warnings
from contextlib import suppress
from types import TracebackType
from typing import Any

import numpy as np

from mlpcli.arrays import Array
from mlpcli.errors import MlpError
from mlpcli.parallel.cores import affinity
from mlpcli.text import one_line

_LINE = 16  # numbers; parts end where cache lines end, so that no two ranks write to one
_SLOT = 1024  # float64 numbers that a rank can show the others at a time
_SPINS = 5000  # tries to pass a semaphore before sleeping on it, 1 ms: a sleeper wakes late
_FEW_SPINS = 100  # where a core is wanted by other work, or by another rank
_JUDGED = 0.1  # seconds after which the time in meetings is compared with all the time
_LARGE = 1 / 3  # of it: who waits so much three times in a row waits for other work
_GIVING_WAY = 32  # such times at most, before it insists again
_AWAY = 0.05  # seconds: it waits for a rank that does something else, as to write a checkpoint
_PATIENCE = 0.2  # seconds asleep before looking whether the others are still alive
_WORDS = 300  # bytes of a rank's last words


class Forked:
    """Processes on this machine that share the memory of parameters, gradient and optimizer state.

    Args:
        size: how many processes.

    Each runs its share of a batch forward and back by itself, including the element-wise work,
    whereas threads of the BLAS library share only the products. Then each computes the gradient of
    its part of the parameters from all rows, and updates that part.

    As a context manager it forks the others on entry (everything that they need must exist by
    then) and ends them on exit. A rank above 0 never leaves the block: its process ends there.
    If the system refuses memory to share, semaphores or processes, this process does all the work.

    Attributes:
        problem: why it does, or None.

    Raises:
        MlpError: from a call that waits, if another rank has died.
    """

    def __init__(self, size: int) -> None:
        self.rank = 0
        self.size = size
        self.shared = True
        self.problem: str | None = None
        self._children: dict[int, int] = {}  # rank: process
        self._parent = os.getpid()
        try:
            semaphore = multiprocessing.get_context("fork").Semaphore
            # One per pair, so that a fast rank that comes again is not taken for another.
            self._arrived = [[semaphore(0) for _ in range(size)] for _ in range(size)]
        except (OSError, ImportError) as error:
            self._do_all(f"/dev/shm cannot be used ({_reason(error)})")
        self._slots = self.zeros((2, size, _SLOT), np.float64)
        self._words = self.zeros((size, _WORDS), np.uint8)
        self._turn = 0
        self._spins_alone = _SPINS if len(affinity()) >= size else _FEW_SPINS
        self._spins = self._spins_alone
        self._begun, self._waited = time.perf_counter(), 0.0
        self._crowded, self._gives_way, self._gives_way_next = 0, 0, 1  # in judged times
        self._waits = self.zeros((size,), np.float64)  # what share of its time each rank waits
        self._all_take_turns = self.zeros((1,), np.bool_)  # on one core, as rank 0 decides
        self._takes_turns = False
        self._closed = self.zeros((1,), np.int64)

    def _do_all(self, problem: str) -> None:
        self.size, self.problem = 1, problem

    def __enter__(self) -> Forked:
        sys.stdout.flush()
        sys.stderr.flush()
        self._cores = affinity()
        # If it is ignored, as it may be by who starts us, nobody learns how a child ended.
        self._on_child = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            for rank in range(1, self.size):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)  # OpenBLAS is ready for it
                    child = os.fork()
                if child == 0:
                    self._become(rank)
                    return self
                self._children[rank] = child
        except OSError as error:
            self._end_children(signal.SIGKILL)
            self._do_all(f"no other process can be started ({_reason(error)})")
        self._let_the_others_pass()
        self._keep_to_one_core()
        return self

    def _become(self, rank: int) -> None:
        """Begin as another rank once all are there; what fails here ends this process alone."""
        try:
            self.rank = rank
            self._children = {}
            for name in (signal.SIGINT, signal.SIGTERM):  # outside of training, rank 0 decides
                signal.signal(name, signal.SIG_IGN)
            while not self._arrived[0][rank].acquire(True, _PATIENCE):
                self._look_after_the_others()
            self._keep_to_one_core()
        except BaseException:
            os._exit(1)

    def _let_the_others_pass(self) -> None:
        for rank in self._children:
            self._arrived[0][rank].release()

    def _keep_to_one_core(self) -> None:
        """Else the scheduler lets two that wake share a core for a while."""
        if len(self._cores) == self.size > 1:
            _set_affinity({sorted(self._cores)[self.rank]})

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.rank:
            if error is not None and not isinstance(error, MlpError):  # that is rank 0's, too
                words = _reason(error).encode()[:_WORDS]
                self._words[self.rank, : len(words)] = np.frombuffer(words, np.uint8)
                os._exit(1)
            os._exit(0)
        self._closed[0] = 1
        self._let_the_others_pass()
        self._end_children()
        signal.signal(signal.SIGCHLD, self._on_child)
        _set_affinity(self._cores)

    def _end_children(self, number: int | None = None) -> None:
        for child in self._children.values():
            with suppress(ChildProcessError):
                if number is not None:
                    os.kill(child, number)
                os.waitpid(child, 0)
        self._children = {}

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Array:
        count, item = math.prod(shape), np.dtype(dtype).itemsize
        if self.size > 1:
            try:
                memory = mmap.mmap(-1, max(count * item, 1))
                return np.frombuffer(memory, dtype, count).reshape(shape)
            except (OSError, ValueError, OverflowError) as error:
                self._do_all(f"memory cannot be shared ({_reason(error)})")
        return np.zeros(shape, dtype)

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
            slots = self._slots[self._turn, : self.size, : len(chunk)]
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
        begun = time.perf_counter()
        others = [rank for rank in range(self.size) if rank != self.rank]
        for other in others:
            self._arrived[self.rank][other].release()
        for other in others:
            semaphore = self._arrived[other][self.rank]
            for _ in range(self._spins):
                if semaphore.acquire(False):
                    break
            else:
                while not semaphore.acquire(True, _PATIENCE):
                    self._look_after_the_others()
        if self.rank and self._closed[0]:
            os._exit(0)
        now = time.perf_counter()
        if now - begun < _AWAY:
            self._waited += now - begun
        else:
            self._begun += now - begun
        if now - self._begun > _JUDGED:
            self._waits[self.rank] = self._waited / (now - self._begun)
            self._begun, self._waited = now, 0.0
            if not self.rank:
                self._judge()
        if self._all_take_turns[0] != self._takes_turns:
            self._follow()

    def _judge(self) -> None:
        """Give way to other work if some rank waits for much of its time; else insist.

        Of two that meet many times in a step each would wait for whatever runs on the core of the
        other. So all take turns on one core: in smaller products, they are together somewhat slower
        than one process. It insists again soon at first, as the other work may have ended, and
        later each time that it has not.
        """
        if self._gives_way:
            self._gives_way -= 1
            if not self._gives_way:
                self._all_take_turns[0], self._crowded = False, 2
        elif self._waits.max() <= _LARGE:
            self._crowded, self._gives_way_next = 0, 1
        else:
            self._crowded += 1
            if self._crowded == 3:
                self._all_take_turns[0] = True
                self._gives_way = self._gives_way_next
                self._gives_way_next = min(2 * self._gives_way, _GIVING_WAY)

    def _follow(self) -> None:
        self._takes_turns = bool(self._all_take_turns[0])
        self._begun, self._waited = time.perf_counter(), 0.0
        self._waits[self.rank] = 0  # what was waited for a turn says nothing of other work
        if not self._takes_turns:
            self._spins = self._spins_alone
            self._keep_to_one_core()
        elif len(self._cores) == self.size:
            self._spins = 0  # it would only keep the others from their turn
            # Runs that are crowded by each other do not all choose the same core.
            _set_affinity({sorted(self._cores)[self._parent % self.size]})
        else:
            self._spins = _FEW_SPINS

    def _look_after_the_others(self) -> None:
        if self.rank:
            if os.getppid() != self._parent or self._closed[0]:
                os._exit(1)
            return
        for rank, child in self._children.items():
            try:
                ended, status = os.waitpid(child, os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it
                ended, status = child, 0
            if ended:
                del self._children[rank]
                how = self._how_it_ended(rank, os.waitstatus_to_exitcode(status))
                raise MlpError(
                    f"one of the {self.size} processes that train {how}; "
                    "free memory, or use --threads 1"
                )

    def _how_it_ended(self, rank: int, code: int) -> str:
        words = self._words[rank].tobytes().rstrip(b"\0").decode(errors="replace")
        if words:
            return f"failed: {words}"
        return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"


def _set_affinity(cores: set[int]) -> None:
    """As far as the system lets us: it is for speed alone."""
    if cores:
        with suppress(AttributeError, OSError):
            os.sched_setaffinity(0, cores)


def _reason(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "out of memory"
    return one_line(getattr(error, "strerror", None) or error)
