"""`mlp`, as a command and as `python -m mlpcli`: signals are taken before all else is imported."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

_WORDS = {signal.SIGINT: b"interrupted", signal.SIGTERM: b"terminated"}


def _end(number: int, _: FrameType | None) -> None:
    """End where nothing has begun yet."""
    os.write(2, b"mlp: " + _WORDS[signal.Signals(number)] + b"\n")
    os._exit(128 + number)


def _hold_closed_streams() -> None:
    """Put something in the place of a standard stream that is closed, as by `>&-`.

    Else the next file to be opened would have its number. What is written to a closed stdout fails,
    as it does without us; a closed stdin is empty, and a closed stderr takes everything.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115


def main() -> None:
    """Run `mlp` and end the process: one line to the person, the exit code to the shell."""
    _hold_closed_streams()
    for number in _WORDS:
        signal.signal(number, _end)
    from mlpcli.cli import main as run

    run()


if __name__ == "__main__":
    main()
