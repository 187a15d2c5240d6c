"""Arrays in NumPy's files from any source: never unpickled, and checked before memory is used.

`open_archive` reads an .npz, `read_header` the header of a single .npy.
"""

from __future__ import annotations

import copy
import errno
import math
import os
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Literal

import numpy as np

from mlpcli.arrays import Array
from mlpcli.errors import InputError
from mlpcli.records import record
from mlpcli.text import one_line, quoted, times

MAX_RATIO = 100
"""An archive may unpack to this many times its size; no honest numbers compress better."""

_CHUNK = 1 << 20
_SMALL = 1000  # bytes: less is counted as this much


@record
class Purpose:
    """Who reads, and what to say of a bad file.

    Attributes:
        error: the class that is raised.
        kind: what an archive should be: "a checkpoint".
        damaged, objects, bomb: what to do about a damaged file, about Python objects in it, and
            about one that unpacks to too much.
    """

    error: type[InputError]
    kind: str
    damaged: str
    objects: str
    bomb: str


@record
class Header:
    """The header of an array, before any of its values is read.

    Attributes:
        where: the file, and the array in it, for messages.
        offset: bytes before the values.
    """

    where: str
    offset: int
    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]


def read_header(stream: IO[bytes], size: int, where: str, purpose: Purpose) -> Header:
    """Read the header of an .npy file of `size` bytes, and check it against that size.

    Raises:
        InputError: (the purpose's class) it is no .npy, holds objects, or claims another size.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if np.lib.format.read_magic(stream) != (1, 0):  # later ones are for records only
                raise ValueError
            shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    except (OSError, zipfile.BadZipFile, zlib.error):
        raise
    except Exception as cause:  # NumPy evaluates the header as Python, so much can go wrong
        raise purpose.error(f"{where}: not an array that NumPy saved; {purpose.damaged}") from cause
    if dtype.hasobject:
        raise purpose.error(
            f"{where}: holds Python objects, which are never loaded; {purpose.objects}"
        )
    shape = tuple(int(length) for length in shape)
    described = f"{times(shape)} of {dtype}"
    if min(shape, default=0) < 0 or dtype.itemsize == 0:
        raise purpose.error(f"{where}: its header says {described}, which cannot be")
    offset = stream.tell()
    expected = offset + math.prod(shape) * dtype.itemsize
    if size != expected:
        raise purpose.error(
            f"{where}: its header says {described}, {expected} bytes in all, "
            f"but it has {size}; {purpose.damaged}"
        )
    return Header(where, offset, shape, fortran_order, dtype)


@contextmanager
def open_archive(file: IO[bytes], where: str, purpose: Purpose) -> Iterator[Archive]:
    """Open an .npz, called `where` in messages.

    Whatever is wrong with its bytes, now or when arrays are read, raises the purpose's error;
    a file that cannot be read raises OSError.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            yield Archive(archive, os.fstat(file.fileno()).st_size, where, purpose)
    except (InputError, MemoryError):
        raise
    except Exception as cause:  # BadZipFile, zlib.error, EOFError, struct.error, a password, …
        if isinstance(cause, OSError) and cause.errno not in (None, errno.EINVAL):
            raise  # it cannot be read; EINVAL comes from seeking to a wrong offset
        raise purpose.error(
            f"{where}: not {purpose.kind}, or a damaged one ({one_line(cause, 100)}); "
            f"{purpose.damaged}"
        ) from cause


class Archive:
    """An .npz that is open, made by `open_archive`.

    Attributes:
        names: of its arrays, in the order of the file.
    """

    def __init__(self, archive: zipfile.ZipFile, size: int, where: str, purpose: Purpose) -> None:
        self._archive, self._size, self._where, self._purpose = archive, size, where, purpose
        self._below = ""
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if name in self._members:
                raise purpose.error(f"{where}: holds {quoted(name)} twice; it is damaged")
            self._members[name] = info

    @property
    def names(self) -> list[str]:
        return [name.removeprefix(self._below) for name in self._members]

    def below(self, prefix: str) -> Archive:
        """The arrays whose names begin with a prefix, without it."""
        part = copy.copy(self)
        part._below = self._below + prefix
        part._members = {k: m for k, m in self._members.items() if k.startswith(part._below)}
        return part

    def bound(self, names: Iterable[str], *, freely: int = 0) -> None:
        """Refuse arrays that unpack, one or all of them, to more than is plausible.

        That is MAX_RATIO times their size, or `freely` bytes if that is more; and never more than
        the machine has memory.
        """
        infos = [self._members[self._below + name] for name in names]
        total = sum(info.file_size for info in infos)
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        # Several names may stand for the same bytes, so the size of the file counts.
        if total > memory or total > max(freely, MAX_RATIO * self._size):
            raise self._purpose.error(
                f"{self._where}: {self._size} bytes that unpack to {total}; {self._purpose.bomb}"
            )
        for info in infos:
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise zipfile.BadZipFile("compressed in a way that NumPy does not use")
            if info.file_size > max(freely, MAX_RATIO * max(info.compress_size, _SMALL)):
                name = info.filename.removesuffix(".npy")
                raise self._purpose.error(
                    f"{self._where}: {name} has {info.compress_size} bytes that unpack to "
                    f"{info.file_size}; {self._purpose.bomb}"
                )

    def header(self, name: str) -> Header:
        """Read the header of an array, but not its values."""
        name = self._below + name
        with self._archive.open(self._members[name]) as stream:
            return self._header(name, stream)

    def read(self, name: str) -> Array:
        """Read an array, C-ordered or not, in the dtype and byte order that it was saved in."""
        name = self._below + name
        with self._archive.open(self._members[name]) as stream:
            header = self._header(name, stream)
            raw = np.empty(math.prod(header.shape) * header.dtype.itemsize, np.uint8)
            have = 0
            while have < raw.size:
                chunk = stream.read(_CHUNK)
                if not chunk:
                    raise EOFError(f"{name} is cut short")
                raw[have : have + len(chunk)] = np.frombuffer(chunk, np.uint8)
                have += len(chunk)
        order: Literal["C", "F"] = "F" if header.fortran_order else "C"
        array: Array = raw.view(header.dtype).reshape(header.shape, order=order)
        return array

    def read_text(self, name: str) -> str:
        """Read the text that a 0-d array holds."""
        array = self.read(name)
        if array.shape != () or array.dtype.kind != "U":
            raise self._purpose.error(f"{self._where}: {name} is no text")
        points = array.reshape(1).astype(array.dtype.newbyteorder("=")).view(np.uint32)
        if len(points) and points.max() > 0x10FFFF:
            raise self._purpose.error(
                f"{self._where}: {name} is no text: a character is not Unicode"
            )
        return str(array)

    def _header(self, name: str, stream: IO[bytes]) -> Header:
        size = self._members[name].file_size
        return read_header(stream, size, f"{self._where}: {name}", self._purpose)
