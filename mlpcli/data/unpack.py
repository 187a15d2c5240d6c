"""What comes of a .gz: kept as it comes, unpacked and digested, within the size that is known."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from mlpcli.data.catalog import RemoteFile

_CHUNK = 1 << 16
_GZIP = 31  # zlib's window bits for gzip's header and trailer


class ContentError(Exception):
    """What came cannot become the file."""


class Unpacker:
    """Takes a .gz as it comes.

    Attributes:
        received: bytes of the .gz so far.
        size: bytes they unpack to.
    """

    def __init__(self, file: RemoteFile, kept: IO[bytes], unpacked: IO[bytes]) -> None:
        self._file = file
        self._kept = kept
        self._unpacked = unpacked
        self._begin()

    def _begin(self) -> None:
        self.received = self.size = 0
        self._inflate = zlib.decompressobj(_GZIP)
        self._sha256, self._gz_sha256 = hashlib.sha256(), hashlib.sha256()

    @property
    def ended(self) -> bool:
        """Whether a compressed part has come to its end; another may follow it."""
        return self._inflate.eof

    @property
    def complete(self) -> bool:
        """Whether all that was published has come; what follows it, if anything, does not count."""
        return self.ended and self.size == self._file.size

    def restart(self) -> None:
        """Forget all that came."""
        self._begin()
        for file in (self._kept, self._unpacked):
            file.seek(0)
            file.truncate()

    def replay(self) -> None:
        """Take what an earlier run kept."""
        self._kept.seek(0)
        while not self.complete and (chunk := self._kept.read(_CHUNK)):
            self._take(chunk)

    def feed(self, chunk: bytes) -> None:
        """Take what has just come."""
        self._kept.write(chunk)
        self._take(chunk)

    def _take(self, data: bytes) -> None:
        self.received += len(data)
        self._gz_sha256.update(data)
        # Even stored without compression, it takes less than 1 % more.
        bound = self._file.size + self._file.size // 100 + 1024
        if self.received > bound:
            raise ContentError(f"expected at most {bound} bytes of gzip data, got more")
        while data and not self.complete:
            if self.ended:
                self._inflate = zlib.decompressobj(_GZIP)
            try:
                unpacked = self._inflate.decompress(data, _CHUNK)
            except zlib.error as error:
                raise ContentError(f"damaged gzip data ({error})") from error
            self.size += len(unpacked)
            if self.size > self._file.size:
                raise ContentError(
                    f"expected {self._file.size} bytes decompressed, got more; "
                    "the mirror has another file under this name"
                )
            self._sha256.update(unpacked)
            self._unpacked.write(unpacked)
            data = self._inflate.unconsumed_tail or self._inflate.unused_data

    def check(self) -> None:
        """Make sure that what came is what was published.

        Raises:
            ContentError: it is something else.
        """
        sha256 = self._sha256.hexdigest()
        right = sha256 == self._file.sha256 or self._gz_sha256.hexdigest() == self._file.gz_sha256
        if self.size != self._file.size or not right:
            raise ContentError(
                f"expected {self._file.size} bytes with sha256 {self._file.sha256} decompressed, "
                f"got {self.size} bytes with {sha256}; "
                "the mirror has another or a damaged file under this name"
            )


@contextmanager
def kept_part(path: Path) -> Iterator[IO[bytes]]:
    """The file at `path`, to keep what comes until a later run; gone afterwards if it is empty.

    Others who can write to the folder may have planted something there. Only a plain file with no
    other name is written to: anything else is removed, and if it cannot be, such as a folder, what
    comes is kept for this run alone.
    """
    file = _open_plain(path)
    if file is None:
        discard(path)
    with file or _open_plain(path) or tempfile.TemporaryFile(dir=path.parent) as file:
        try:
            yield file
        finally:
            if file.seek(0, os.SEEK_END) == 0:
                discard(path)


def _open_plain(path: Path) -> IO[bytes] | None:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        handle = os.open(path, flags, 0o666)
    except OSError:
        return None
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        return os.fdopen(handle, "a+b")
    os.close(handle)
    return None


def discard(path: Path) -> None:
    """Remove a file, if it is there and can be removed."""
    with suppress(OSError):
        path.unlink()
