"""The metrics log: JSON lines that pandas and jq read."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from mlpcli.errors import OutputError, UsageError
from mlpcli.files import (
    behind_link,
    clear_strays,
    is_stream,
    keep,
    open_input,
    open_stream,
    replacing,
)

_START = b'{"event": "'  # how every line of a log begins
_MAX_LINE = 1 << 20  # bytes; anything longer is no line of ours


class MetricsLog:
    """Appends one JSON object per line and flushes it, so that the file can be followed.

    A new run starts a new file and keeps another run's as `path~`. A resumed run appends. So that
    each epoch is there once, it first removes what a killed run logged after its last checkpoint,
    and a line that was cut off; the log as it was is then kept as `path~`. Two runs at once would
    write each epoch twice: a log that another one has open is refused.

    Attributes:
        kept: the file that keeps the old log, or None.

    Args:
        path: the file, or `-` for standard output; None for no log.
        resumed: the epoch after which the run continues, or of each of its members; None for a new
            run.
    """

    def __init__(self, path: Path | None, *, resumed: int | Sequence[int] | None) -> None:
        self.kept: Path | None = None
        self._file: IO[bytes] | None = None
        self._path = path
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file() and not is_stream(path):  # a pipe or a device stays what it is
                with path.open("r+b") as old:
                    self._lock(old)
                    if resumed is None:
                        _refuse_others(behind_link(path))
                        keep(path)
                        with replacing(path):  # the old log has both names until there is a new one
                            pass
                    else:
                        done = [resumed] if isinstance(resumed, int) else resumed
                        self._mend(old, done)
            if is_stream(path):
                self._file = open_stream(path)
            else:
                self._file = path.open("ab")
                self._lock(self._file)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from None

    def _lock(self, file: IO[Any]) -> None:
        """Refuse a file that another run writes. A lock ends with the process; ranks have none."""
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            self.close()
            raise OutputError(
                f"{self._path}: another run is writing it; wait for its end, or name another --log"
            ) from None
        except OSError:
            pass  # a file system without locks

    def _mend(self, file: IO[bytes], done: Sequence[int]) -> None:
        """Remove the epochs after those that are done, and a last line that was cut off."""
        assert self._path is not None
        clear_strays(self._path)
        last, end = b"\n", 0
        while line := file.readline(_MAX_LINE):
            if _is_ahead(line, done):
                self.kept = keep(self._path)
                with replacing(self._path) as mended:
                    file.seek(0)
                    while line := file.readline(_MAX_LINE):
                        # Of what follows, epochs of other members may be done.
                        if file.tell() <= end or (_is_epoch(line) and not _is_ahead(line, done)):
                            mended.write(line)
                return
            if len(line) < _MAX_LINE and _is_cut(line):
                file.truncate(end)
                return
            last, end = line, file.tell()
        if not last.endswith(b"\n"):
            file.write(b"\n")
            file.flush()

    def write(self, event: str, values: dict[str, Any]) -> None:
        """Write one line, if there is a log."""
        if self._file is None:
            return
        try:
            line = json.dumps({"event": event} | values, allow_nan=False)
            self._file.write(line.encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Close the file. Every line is flushed already, or its loss was reported."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()


def _refuse_others(path: Path) -> None:
    """Refuse to replace a file that lies where the old log would be kept, and is none."""
    kept = path.with_name(path.name + "~")
    if kept.is_file():
        with open_input(kept) as file:
            head = file.read(len(_START))
        if head and head != _START:
            raise UsageError(
                f"{kept}: is no log of mlp, and would be replaced; move it away, or name another "
                "file with --log"
            )


def _is_cut(line: bytes) -> bool:
    """Whether a line is the beginning of one of ours."""
    return (
        line.startswith(_START[: len(line)]) and not line.endswith(b"\n") and _object(line) is None
    )


def _is_epoch(line: bytes) -> bool:
    return line.startswith(_START + b'epoch"')


def _is_ahead(line: bytes, done: Sequence[int]) -> bool:
    """Whether a line is of an epoch that is still to come, by the epochs that members have done."""
    if not _is_epoch(line):
        return False
    entry = _object(line) or {}
    epoch, member = entry.get("epoch", 0), entry.get("member", 0)
    known = isinstance(member, int) and 0 <= member < len(done)
    return isinstance(epoch, int) and epoch > (done[member] if known else 0)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
