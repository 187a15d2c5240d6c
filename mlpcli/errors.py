"""The tree of errors. Each class carries the exit code that the command line ends with.

MlpError (1)
├── OutputError (1)            a file or folder that cannot be written
├── UsageError (2)             a flag, or flags that do not go together
│   └── ConfigError (2)        a key or a value in a config file
├── InputError (3)             something that is read: missing, malformed, of the wrong shape
│   ├── DataError (3)          a data set
│   ├── DownloadError (3)      a mirror, the network, a digest
│   └── CheckpointError (3)    a model file
├── DivergedError (4)          training ran away
├── GradientCheckError (5)     the backward pass does not agree with central differences
├── RanksError                 what one process of a run found, told by all, with its exit code
└── StoppedError (130, 143)    interrupted or terminated

Interruption (130, 143)        a signal, wherever it came
"""

from __future__ import annotations

import shlex
import signal
import sys
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells the shell."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    INPUT = 3
    DIVERGED = 4
    GRADIENT_CHECK = 5
    INTERRUPTED = 130
    TERMINATED = 143


class MlpError(Exception):
    """Anything that is reported to a person: one line, with what to do about it."""

    exit_code = ExitCode.FAILED

    of_all_ranks = False
    """Whether every rank of an MPI run raises it at the same point, so that none waits."""


class OutputError(MlpError):
    """A file or folder that cannot be written."""


class UsageError(MlpError):
    """A flag that cannot be, or flags that do not go together."""

    exit_code = ExitCode.USAGE


class ConfigError(UsageError):
    """A key or a value of a config file that cannot be."""


class InputError(MlpError):
    """Something that is read: missing, malformed or of the wrong shape."""

    exit_code = ExitCode.INPUT


class DataError(InputError):
    """A data set that cannot be used as it is."""


class DownloadError(InputError):
    """A download that failed at every mirror."""


class CheckpointError(InputError):
    """A model file that cannot be used."""


class DivergedError(MlpError):
    """A loss that is not finite, or far above the loss at chance."""

    exit_code = ExitCode.DIVERGED
    of_all_ranks = True


class GradientCheckError(MlpError):
    """The backward pass does not agree with central differences."""

    exit_code = ExitCode.GRADIENT_CHECK


class RanksError(MlpError):
    """What one rank of an MPI run found, told by all; or one member of a run, told by the first."""

    of_all_ranks = True

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class StoppedError(MlpError):
    """A signal ended the run, and what became of it."""

    def __init__(self, message: str, exit_code: ExitCode, *, of_all_ranks: bool = True) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.of_all_ranks = of_all_ranks


class Interruption(BaseException):
    """SIGINT or SIGTERM ends the command. No Exception: nothing on its way takes it for an error.

    Attributes:
        exit_code: what the command ends with.
        again: whether another one had asked to stop before.
    """

    def __init__(self, number: int, *, again: bool = False) -> None:
        super().__init__("interrupted" if number == signal.SIGINT else "terminated")
        self.exit_code = ExitCode(128 + number)
        self.again = again


def suggest_install(*packages: str) -> str:
    """The command that installs `packages` for the Python that runs this."""
    return shlex.join([sys.executable or "python3", "-m", "pip", "install", *packages])
