"""`mlp`, as a command and as `python -m mlpcli`: signals are taken before all else is imported."""

from __future__ import annotations

import os
import signal
from types import FrameType

_WORDS = {signal.SIGINT: b"interrupted", signal.SIGTERM: b"terminated"}


def _end(number: int, _: FrameType | None) -> None:
    """End where nothing has begun yet."""
    os.write(2, b"mlp: " + _WORDS[signal.Signals(number)] + b"\n")
    os._exit(128 + number)


def main() -> None:
    """Run `mlp` and end the process: one line to the person, the exit code to the shell."""
    for number in _WORDS:
        signal.signal(number, _end)
    from mlpcli.cli import main as run

    run()


if __name__ == "__main__":
    main()
