"""Files that are whole or absent, and digests."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from mlpcli.errors import OutputError

_SUFFIX = ".tmp"


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Yield a binary file to write, which replaces `path` when the block ends without an error.

    It is a temporary file beside `path`, flushed to the disk before it is renamed, so that a
    reader of `path` sees the old file or the new one, whole. On any error it is removed. It is
    locked while it is written, so that `clear_strays` can tell what a killed process left.

    Raises:
        OutputError: the folder cannot be written to, or the disk is full.
    """
    temporary: str | None = None
    try:
        handle, temporary = _make_temporary(path)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o666 & ~_umask())
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, path)
            temporary = None
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)


def _make_temporary(path: Path) -> tuple[int, str]:
    """(handle, name) of a new file beside `path`, locked."""
    while True:
        handle, name = tempfile.mkstemp(_SUFFIX, f".{path.name}.", path.parent)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, name
        os.close(handle)  # another process removed it before it was locked


def clear_strays(path: Path) -> None:
    """Remove what killed processes left beside `path`: temporary files that nobody writes.

    A writer holds the lock of its file, and the system releases it when the process ends. So this
    is safe while other processes write to the same path. Without locks nothing is removed.
    """
    prefixes = (f".{path.name}.", f".{path.name}~.")
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if entry.name.endswith(_SUFFIX) and entry.name.startswith(prefixes):
                with suppress(OSError):
                    _remove_unlocked(entry.path)


def _remove_unlocked(name: str) -> None:
    """Remove a file whose lock nobody holds; raise OSError if somebody does."""
    handle = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name)
    finally:
        os.close(handle)


def keep(path: Path) -> Path | None:
    """Keep the file at `path`, if there is one, as `path~`; both are whole at every moment.

    Raises:
        OutputError: it cannot be copied, on a file system without links.
    """
    kept = path.with_name(path.name + "~")
    while True:
        temporary = path.with_name(f".{kept.name}.{secrets.token_hex(4)}{_SUFFIX}")
        try:
            os.link(path, temporary)
        except FileNotFoundError:
            return None
        except OSError:  # a file system without links
            with replacing(kept) as copy, path.open("rb") as original:
                shutil.copyfileobj(original, copy)
            return kept
        try:
            os.replace(temporary, kept)
            return kept
        except FileNotFoundError:  # a run that is just starting took it for a stray
            continue
        finally:
            temporary.unlink(missing_ok=True)  # renaming one name of a file to another keeps both


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replacing(path) as file:
        file.write(text.encode())


def ensure_writable(path: Path, *, make_folders: bool = True) -> None:
    """Make the folders above `path`, unless told not to, and check that a file can be written.

    If folders may be made, what killed processes left of earlier files is removed.

    Raises:
        OutputError: it cannot, and why.
    """
    folder = path.parent
    try:
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; name a file to write")
        if path.exists() and not path.is_file():  # a device would be replaced by a file
            raise OutputError(f"{path}: is not a regular file; name another")
        if make_folders:
            folder.mkdir(parents=True, exist_ok=True)
        while not folder.exists():
            folder = folder.parent
        handle, temporary = _make_temporary(folder / path.name)
        os.unlink(temporary)
        os.close(handle)
    except FileExistsError:
        raise OutputError(f"{path}: cannot be written: {folder} is not a folder") from None
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    if make_folders:
        clear_strays(path)


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _umask() -> int:
    """The process's umask (which can only be read by setting it)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
