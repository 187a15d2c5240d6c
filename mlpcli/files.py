"""Files that are whole or absent, and digests."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import secrets
import select
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from mlpcli.errors import OutputError, UsageError

_SUFFIX = ".tmp"
_DESCRIPTORS = ("/dev/std", "/dev/fd/", "/proc/")
_PATIENCE = 5  # seconds, with a pipe to read from


_REFUSED = (errno.EPERM, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What a file system says that has no permissions to set, or nothing to flush."""


@contextmanager
def replacing(path: Path, *, fresh: bool = False) -> Iterator[IO[bytes]]:
    """Yield a binary file to write, which replaces `path` when the block ends without an error.

    It is a temporary file beside `path`, flushed to the disk before it is renamed, so that a
    reader of `path` sees the old file or the new one, whole. On any error it is removed. It is
    locked while it is written, so that `clear_strays` can tell what a killed process left.
    A link is followed; what is replaced leaves its permissions and, if possible, its group.

    Args:
        fresh: follow no link and keep nothing of what is there: others may have planted it.

    Raises:
        OutputError: the folder cannot be written to, the disk is full, or the file is read-only.
    """
    target = path if fresh else behind_link(path)
    try:
        if not fresh:
            _refuse_read_only(target, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(target) as file:
            _take_permissions(file.fileno(), None if fresh else target)
            yield file
            file.flush()
            with _unless_refused():
                os.fsync(file.fileno())
            os.replace(file.name, target)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """As `replacing`, or as a stream if `path` is a device, a pipe, or `-` for standard output."""
    if not is_stream(path):
        with replacing(path) as file:
            yield file
        return
    try:
        with open_stream(path) as file:
            yield file
            file.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def open_stream(path: Path) -> IO[bytes]:
    """A device or a pipe to write to, or standard output for `-`, which stays open."""
    ours = str(path) == "-"
    return open(sys.stdout.fileno() if ours else path, "ab", closefd=not ours)


def behind_link(path: Path) -> Path:
    """The file that a symbolic link leads to, or `path` itself."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def is_stream(path: Path) -> bool:
    """Whether `path` is a device, a pipe or a socket, or `-` for standard output.

    /dev/stdout and the like are streams also if a shell has put a file there.
    """
    if str(path) == "-" or str(path).startswith(_DESCRIPTORS):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def _refuse_read_only(target: Path, path: Path) -> None:
    """Raise OutputError if nobody may write to `target`, whoever asks (also root)."""
    if target.exists() and not target.stat().st_mode & 0o222:
        raise OutputError(f"{path}: is read-only; chmod u+w it, or name another file")


def _take_permissions(handle: int, target: Path | None) -> None:
    """Give a new file the permissions of the one that it replaces, or what the umask leaves."""
    old: os.stat_result | None = None
    if target is not None:
        with suppress(OSError):
            old = target.stat()
    with _unless_refused():
        if old is None:
            os.fchmod(handle, 0o666 & ~_umask())
            return
        with suppress(OSError):  # only root and members of the group may
            os.fchown(handle, -1, old.st_gid)
        os.fchmod(handle, stat.S_IMODE(old.st_mode))


@contextmanager
def _unless_refused() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSED:
            raise


@contextmanager
def _temporary(path: Path) -> Iterator[IO[bytes]]:
    """A new file beside `path`, locked; removed in the end, unless it was given another name."""
    name = str(path.with_name(f".{path.name}.{secrets.token_hex(4)}{_SUFFIX}"))
    try:  # its name is known before it is there: a signal may come at any moment
        while True:
            file = open(name, "xb", opener=_open_private)  # noqa: SIM115
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                break
            file.close()  # another process removed it before it was locked
        with file:
            yield file
    finally:
        with suppress(OSError):
            os.unlink(name)


def _open_private(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NOFOLLOW, 0o600)


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
    path = behind_link(path)
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
    """Write `text` as UTF-8, whole or not at all; to a device or pipe as a stream.

    What is no Unicode in it, as bytes of a file's name may be, is escaped.
    """
    with writing(path) as file:
        file.write(text.encode(errors="backslashreplace"))


def ensure_writable(
    path: Path,
    *,
    clear: bool = True,
    streams: bool = False,
    reads: Iterable[Path | str | None] = (),
) -> None:
    """Check that a file can be written, before anything is computed for it.

    Missing folders above it are made when it is written, so that nothing is left of a command
    that fails.

    Args:
        clear: remove what killed processes left of earlier files.
        streams: whether a device, a pipe or `-` will do.
        reads: what the command reads, files and folders; what is no path is passed over.

    Raises:
        UsageError: it is one of the files that the command reads.
        OutputError: it cannot be written, and why.
    """
    refuse_reading(path, reads)
    if is_stream(path):
        if not streams:
            raise OutputError(f"{path}: is not a regular file; name another")
        return
    target = behind_link(path)
    folder = target.parent
    try:
        if target.is_dir():
            raise OutputError(f"{path}: is a folder; name a file to write")
        _refuse_read_only(target, path)
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir():
            raise OutputError(f"{path}: cannot be written: {folder} is not a folder")
        with _temporary(folder / target.name):
            pass
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    if clear:
        clear_strays(target)


def refuse_reading(path: Path, reads: Iterable[Path | str | None]) -> None:
    """Raise UsageError if `path` is one of the files, or in one of the folders, that are read."""
    try:
        own = os.stat(path)
    except OSError:
        return  # what does not exist is not read
    if not stat.S_ISREG(own.st_mode):
        return
    for source in reads:
        if source is None:
            continue
        folder = Path(os.path.expanduser(source))
        with suppress(OSError, ValueError):  # a NUL is in no path
            for file in folder.iterdir() if folder.is_dir() else (folder,):
                if os.path.samestat(own, os.stat(file)):
                    raise UsageError(
                        f"{path}: is read by this command ({source}), and would be overwritten; "
                        "name another file to write"
                    )


def open_input(path: Path, *, pipes: bool = False) -> io.BufferedReader:
    """Open a file to read, as `path.open("rb")`, which would wait for ever at a pipe.

    Args:
        pipes: whether a pipe or a device will do, from which something must come soon.

    Raises:
        OSError: it cannot be opened, or is no file.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except ValueError as error:
        raise OSError(errno.EINVAL, "no file has a NUL in its name", str(path)) from error
    try:
        kind = os.fstat(handle).st_mode
        if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
            if not pipes:
                raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))
            if not select.select([handle], [], [], _PATIENCE)[0]:
                reason = f"nothing came from this pipe or device for {_PATIENCE} seconds"
                raise OSError(errno.ETIMEDOUT, reason, str(path))
            os.set_blocking(handle, True)
        return open(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open_input(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _umask() -> int:
    """The process's umask (which can only be read by setting it)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
