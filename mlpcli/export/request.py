"""What is asked of every exporter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mlpcli.records import record
from mlpcli.runs.model import Model

MARK = "mlp export"
"""What every exported file has in its first kilobyte: only such a file may be replaced by one."""


@record
class Request:
    """One model, or a committee, to be taken elsewhere.

    An exporter is a function `build(request) -> bytes`: all of the file. It has `MARK` in its
    first kilobyte.

    Attributes:
        members: the networks, whose answers are averaged; all take the same rows.
        commands: the command lines that make the same file again: training, then export.
        data_dir: where downloaded data lie.
        notice: tells the person one line that is no error.
    """

    members: Sequence[Model]
    commands: Sequence[str]
    data_dir: Path
    notice: Callable[[str], None]
