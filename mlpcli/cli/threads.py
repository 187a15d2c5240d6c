"""How many cores a command uses."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from mlpcli.config.kinds import Number
from mlpcli.errors import UsageError


class _Threads(click.ParamType[int]):
    """A number of threads."""

    name = "COUNT"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        count = Number(whole=True, at_least=1, at_most=1024)
        try:
            checked: int = count.check(count.parse(str(value)))
        except ValueError as error:
            raise UsageError(f"--threads (MLP_THREADS) {value}: {error}") from None
        return checked


threads_option = click.option(
    "--threads",
    type=_Threads(),
    envvar="MLP_THREADS",
    metavar="COUNT",
    help="Cores to use. [$MLP_THREADS, else every core]",
)


PROCESSES = 4  # a share of a batch of 128 has 32 rows then: with fewer, products are slow


_THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "BLIS_NUM_THREADS",
)


def set_threads(count: int | None) -> None:
    """Tell the BLAS libraries, which read this once, when numpy is imported."""
    if count is not None:
        for name in _THREAD_VARIABLES:
            os.environ[name] = str(count)


def training_processes(threads: int) -> int:
    """Return how many processes to fork for this many cores; the BLAS libraries use the rest.

    Elsewhere than on Linux, BLAS libraries do not survive a fork.
    """
    return min(threads, PROCESSES) if sys.platform == "linux" else 1


def thread_count(given: int | None, cores: int | None = None) -> int:
    """Return the number of threads: `given`, else as the BLAS variables say, else one per core.

    Args:
        cores: how many there are for this process; None: all.
    """
    for text in (given, os.environ.get("OPENBLAS_NUM_THREADS"), os.environ.get("OMP_NUM_THREADS")):
        if text and str(text).isdecimal() and int(text) > 0:
            return int(text)
    if cores is not None:
        return cores
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1
