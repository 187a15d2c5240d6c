"""Whether the files of a data set are here as they were published.

A digest is taken once. That it was right is remembered in a record beside the data set's folder,
with the file's size, times of change and inode: the file is not read again until these change.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlpcli import files
from mlpcli.data.catalog import RemoteFile
from mlpcli.errors import OutputError

_MAX_RECORD = 1 << 14  # bytes; four files take 700


def wrong_files(
    published: Iterable[RemoteFile], folder: Path, *, afresh: bool = False
) -> tuple[RemoteFile, ...]:
    """The files that `folder` does not have as they were published: absent or damaged.

    Args:
        afresh: take every digest, whatever is remembered.
    """
    recorded = _read_record(folder)
    record = {}
    wrong = []
    for file in published:
        path = folder / file.name
        state = _state(path)
        entry = [*state, file.sha256]
        if entry == recorded.get(file.name) and not afresh:
            record[file.name] = entry
            continue
        now = _now(folder)
        if not state or state[0] != file.size or not _has_digest(path, file.sha256):
            wrong.append(file)
        # A change within the same tick of the file system's clock could not be told later.
        elif state == _state(path) and state[2] < now:
            record[file.name] = entry
    if record != recorded:
        # If only others can write to the folder, nothing is remembered.
        with suppress(OutputError), files.replacing(_record(folder), fresh=True) as out:
            out.write(json.dumps(record).encode())
    return tuple(wrong)


def _state(path: Path) -> tuple[int, ...]:
    """(size, time of change of the contents, of anything, inode) of a file; () where there is none.

    The second time is the kernel's own: who sets the first one back, as `touch` can, changes it.
    """
    try:
        found = path.stat()
    except OSError:
        return ()
    if not stat.S_ISREG(found.st_mode):
        return ()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _now(folder: Path) -> int:
    """The time of the folder's file system, in its ticks; 0 where nothing can be written."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_ctime_ns
    except OSError:
        return 0


def _record(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.checked.json")


def _has_digest(path: Path, sha256: str) -> bool:
    try:
        return files.sha256(path) == sha256
    except OSError:
        return False


def _read_record(folder: Path) -> dict[str, Any]:
    """What is remembered; nothing where the record is malformed, or somebody else's than root's."""
    try:
        handle = os.open(_record(folder), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(handle, "rb") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode) or found.st_uid not in (0, os.geteuid()):
                return {}
            record = json.loads(file.read(_MAX_RECORD))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
