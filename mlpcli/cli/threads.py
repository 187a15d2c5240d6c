"""How many cores a command uses."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from mlpcli.commands.console import Console
from mlpcli.config.kinds import Number
from mlpcli.errors import UsageError
from mlpcli.parallel.cores import allowed_cores


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
    help="Cores to use, at most all. [$MLP_THREADS, else all]",
)


PROCESSES = 4  # a share of a batch of 128 has 32 rows then: with fewer, products are slow


_THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "BLIS_NUM_THREADS",
)


def set_threads(count: int) -> None:
    """Tell the BLAS libraries, which read this once, when numpy is imported."""
    for name in _THREAD_VARIABLES:
        os.environ[name] = str(count)


def use_threads(given: int | None, console: Console) -> None:
    """Let a command that does not train use `given` threads, or what `thread_count` says."""
    set_threads(thread_count(given, console))


def training_processes(threads: int) -> int:
    """Return how many processes to fork for this many cores; the BLAS libraries use the rest.

    Elsewhere than on Linux, BLAS libraries do not survive a fork.
    """
    return min(threads, PROCESSES) if sys.platform == "linux" else 1


def thread_count(
    given: int | None, console: Console | None = None, cores: int | None = None
) -> int:
    """Return the number of threads: `given`, else as the BLAS variables say, else one per core.

    It is at most one per core that this process may use; if more were asked for, that is said.

    Args:
        console: where it is said.
        cores: how many there are for this process; None: all that it may use.
    """
    allowed = allowed_cores()
    variables = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
    asked = {"--threads": given} | {name: os.environ.get(name) for name in variables}
    for name, text in asked.items():
        if text and str(text).isdecimal() and int(text) > 0:
            if int(text) > allowed and console:
                console.notice(
                    f"{name} {text}: more threads than cores are slower, and this process may use "
                    f"{name_cores(allowed)}: taking {allowed}"
                )
            return min(int(text), allowed)
    return min(cores or allowed, allowed)


def name_cores(count: int) -> str:
    """ "1 core" or "8 cores"."""
    return f"{count} core{'s' if count != 1 else ''}"
