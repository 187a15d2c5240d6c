"""The metrics log: JSON lines that pandas and jq read."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from mlpcli.errors import OutputError


class MetricsLog:
    """Appends one JSON object a line, each flushed, so that the file can be followed.

    A new run starts the file anew and keeps another run's as `path~`; a resumed run appends.
    """

    def __init__(self, path: Path | None, *, resumed: bool) -> None:
        self._file: IO[str] | None = None
        self._path = path
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file() and not resumed:  # a pipe or a device stays what it is
                path.replace(path.with_name(path.name + "~"))
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from None

    def write(self, event: str, values: dict[str, Any]) -> None:
        """One line; nothing where no log was asked for."""
        if self._file is None:
            return
        try:
            self._file.write(json.dumps({"event": event} | values, allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Nothing is lost: every line is flushed already, or its loss was told."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
