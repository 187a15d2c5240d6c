"""The lines of a text file: decompressed, decoded, in blocks that end with a whole row."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import re
import shlex
import zlib
from collections.abc import Iterator
from typing import IO

from mlpcli.errors import DataError
from mlpcli.text import one_line

_BLOCK = 1 << 18  # bytes read at a time
_MAX_LINE = 1 << 22  # bytes; 300,000 columns fit, a file without line ends does not

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_GZIP = b"\x1f\x8b"
_NO_TABLE = {  # by what a file begins with
    rb"PK\x03\x04": "is a zip archive (or a workbook such as .xlsx), not text; unpack it, or save "
    "the sheet as CSV",
    rb"\xd0\xcf\x11\xe0": "is an Excel workbook, not text; save the sheet as CSV",
    rb"PAR1[^\s -~]": "is a Parquet file; save it as CSV, or name it .parquet for mlp",
    rb"\x93NUMPY": "is a NumPy array; save it as CSV, or name it .npy for mlp",
    rb"BZh\d1AY": "is compressed by bzip2; decompress it, or use gzip",
    rb"\xfd7zXZ": "is compressed by xz; decompress it, or use gzip",
    rb"\x28\xb5\x2f\xfd": "is compressed by zstd; decompress it, or use gzip",
    rb"\s*(\[\s*[\[{]|{\s*\")": "is JSON; save the table as CSV or Parquet",
    rb"(?i)\s*<(!doctype|html|table|\?xml)": "is HTML or XML; save the table as CSV or Parquet",
    rb"version https://git-lfs": "is a Git LFS pointer; get the file itself by: git lfs pull",
}


class TextLines:
    """The lines of a stream, as often as they are wanted.

    UTF-8, with or without a byte order mark, or UTF-16 with one; gzip is unpacked.

    Args:
        stream: opened for reading bytes, from the beginning; read again only if it can seek.
        source: what to call it in messages.
    """

    def __init__(self, stream: IO[bytes], source: str) -> None:
        self.source = source
        self._stream = stream
        self._begun = False
        self._sha256 = hashlib.sha256()
        self._decoder: codecs.IncrementalDecoder | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of what was read last, decompressed and as UTF-8."""
        return self._sha256.hexdigest()

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """Whole lines, some at a time, as UTF-8, with the number of the first, from 1.

        Quoted line breaks are kept within a block, if it can be told.

        Raises:
            DataError: it cannot be read, or is no text; the row and byte.
        """
        first, offset, rest, more, quotes = 1, 0, b"", True, 0
        held = b""  # lines of a row that may go on
        chunk = self._open()
        while more:
            more = bool(chunk)
            data = rest + chunk
            # A carriage return at the very end may be half of a CRLF.
            end = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1 if more else len(data)
            whole, rest = data[:end], data[end:]
            if len(rest) > _MAX_LINE:
                raise DataError(
                    f"{self.source}: row {first + count_lines(held + whole)} has more than "
                    f"{_MAX_LINE >> 20} MiB; this is not a table with one row per sample"
                )
            chunk = self._read() if more else b""
            if not whole and more:
                continue
            number = first + count_lines(held)
            self._check(whole, number, offset)
            lines = whole if offset else whole.removeprefix(codecs.BOM_UTF8)
            if b"\r" in lines:
                lines = lines.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            offset += len(whole)
            quotes += whole.count(b'"')
            held = held + lines if held else lines
            if held and (quotes % 2 == 0 or not more or len(held) > _MAX_LINE):
                yield first, held
                first, quotes, held = first + count_lines(held), 0, b""

    def _open(self) -> bytes:
        """Begin, or begin again: the first chunk."""
        try:
            if self._begun:
                self._stream.seek(0)
            self._begun = True
            self._sha256, self._decoder = hashlib.sha256(), None
            start = self._read_raw()
            if start.startswith(_GZIP) and not isinstance(self._stream, gzip.GzipFile):
                self._stream.seek(0)
                self._stream = gzip.GzipFile(fileobj=self._stream)  # type: ignore[assignment]
                start = self._read_raw()
        except OSError as error:
            raise self._unreadable(error) from error
        for begin, what in _NO_TABLE.items():
            if re.match(begin, start.removeprefix(codecs.BOM_UTF8)):
                raise DataError(f"{self.source}: {what}")
        if start.startswith(_UTF16):
            self._decoder = codecs.getincrementaldecoder("utf-16")()
        return self._as_utf8(start)

    def _read(self) -> bytes:
        try:
            chunk = self._read_raw()
        except OSError as error:
            raise self._unreadable(error) from error
        return self._as_utf8(chunk)

    def _read_raw(self) -> bytes:
        try:
            return self._stream.read(_BLOCK)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(
                f"{self.source}: its gzip data are damaged or cut short ({one_line(error)}); "
                "fetch or compress it again"
            ) from error

    def _as_utf8(self, chunk: bytes) -> bytes:
        if self._decoder is not None:
            try:
                chunk = self._decoder.decode(chunk, final=not chunk).encode()
            except UnicodeError as error:
                raise DataError(
                    f"{self.source}: is not valid UTF-16 ({one_line(error)}); save it as UTF-8"
                ) from error
        self._sha256.update(chunk)
        return chunk

    def _unreadable(self, error: OSError) -> DataError:
        return DataError(f"{self.source}: cannot be read: {error.strerror or error}")

    def _check(self, data: bytes, first: int, offset: int) -> None:
        """Check that `data`, from line `first` and byte `offset` of the file, are text."""
        bad = data.find(b"\0")
        if bad >= 0:
            raise DataError(
                f"{self.source}: row {first + _count_ends(data[:bad])} has a NUL byte "
                f"(byte {offset + bad}); this is not a text file"
            )
        try:
            data.decode()
        except UnicodeDecodeError as error:
            name = shlex.quote(self.source)
            raise DataError(
                f"{self.source}: row {first + _count_ends(data[: error.start])} is not UTF-8 "
                f"(byte {offset + error.start} is {data[error.start]:#04x}); convert it, as by: "
                f"iconv -f WINDOWS-1252 -t UTF-8 {name} > utf8.csv"
            ) from error


def count_lines(block: bytes) -> int:
    """How many lines a block has."""
    return block.count(b"\n") + bool(block and not block.endswith(b"\n"))


def split_lines(block: bytes) -> list[str]:
    """The lines of a block."""
    return block.decode().removesuffix("\n").split("\n") if block else []


def _count_ends(data: bytes) -> int:
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")
