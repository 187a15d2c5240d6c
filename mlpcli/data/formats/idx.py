"""IDX files, the format of MNIST: a magic number, the dimensions, then the values, row by row.

    offset  size  what
    0       2     zero
    2       1     type of the values; 0x08 is an unsigned byte, the only one read here
    3       1     number of dimensions
    4       4·n   the dimensions, unsigned, big-endian
    4+4n          the values

A file may be compressed by gzip, whatever its name ends in. Plain files are memory-mapped. The
header is checked against what the file holds before memory is taken.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.dataset import Dataset
from mlpcli.errors import DataError
from mlpcli.files import open_input
from mlpcli.text import times

# A data set is these four, in this order; .gz may follow, and a dot may stand before "idx".
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08
# A small file may unpack to this much, or to this many times its size, whichever is more.
_UNPACKED_FREELY = 64 << 20
_MAX_RATIO = 100
_CHUNK = 1 << 20


def open_folder(path: Path, source: str, *, digest: str | None = None) -> Dataset:
    """Open a folder of four IDX files, images and labels for training and for testing.

    Args:
        path: the folder.
        source: what was given as `--data`.
        digest: the contents' digest where it is known already, as `combined_digest` gives it;
            None to take it here.

    Returns:
        X (N, D) uint8, memory-mapped where the file is not compressed, y (N,) int64, a test set
        of the same kind, and image_shape (height, width) with D = height·width.

    Raises:
        DataError: a file is missing, malformed, or does not fit the others.
    """
    paths = [_find(path, name) for name in FILES]
    arrays = [read(file, 3 if "images" in file.name else 1) for file in paths]
    for part in (0, 2):
        images, labels = arrays[part], arrays[part + 1]
        if images.size == 0:
            raise DataError(f"{paths[part]}: holds no images ({times(images.shape)})")
        if len(images) != len(labels):
            raise DataError(
                f"{paths[part + 1]}: holds {len(labels)} labels, but {paths[part].name} has "
                f"{len(images)} images; take both from the same data set"
            )
    X, y, X_test, y_test = arrays
    height, width = X.shape[1:]
    if X_test.shape[1:] != (height, width):
        raise DataError(
            f"{paths[2]}: its images are {times(X_test.shape[1:])}, "
            f"but those of {paths[0].name} are {height} × {width}"
        )
    return Dataset(
        source=source,
        X=X.reshape(len(X), -1),
        y=y.astype(np.int64),
        X_test=X_test.reshape(len(X_test), -1),
        y_test=y_test.astype(np.int64),
        digest=digest or combined_digest(_digest(array) for array in arrays),
        image_shape=(height, width),
    )


def holds_idx(path: Path) -> bool:
    """Whether a folder has any of the four files, so that it is one for `open_folder`."""
    return any(file.is_file() for name in FILES for file in _spellings(path, name))


def read(path: Path, dimensions: int) -> Array:
    """Read one IDX file of unsigned bytes.

    Args:
        path: the file, plain or compressed by gzip.
        dimensions: how many there must be: 3 for images (N, height, width), 1 for labels (N,).

    Returns:
        An uint8 array of the header's shape, read-only and memory-mapped where the file is plain.

    Raises:
        DataError: it cannot be read, is not IDX, or its size is not what its header says.
    """
    try:
        with open_input(path) as file:
            start = file.read(len(_GZIP_MAGIC))
            file.seek(0)
            if start == _GZIP_MAGIC:
                with gzip.open(file) as unpacked:
                    return _unpack(path, unpacked, dimensions, path.stat().st_size)
            shape = _read_header(path, file, dimensions)
            offset, expected = file.tell(), file.tell() + math.prod(shape)
            size = path.stat().st_size
            if size != expected:
                raise _wrong_size(path, shape, expected, f"has {size}", short=size < expected)
            if size == offset:
                return np.empty(shape, np.uint8)  # nothing cannot be mapped
            return np.memmap(path, np.uint8, mode="r", offset=offset, shape=shape)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip data ({error}); get the file again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def combined_digest(digests: Iterable[str]) -> str:
    """The digest of a data set, from the SHA-256 of each of its (decompressed) `FILES`, in hex.

    It is the same wherever the files lie and whether they are compressed or not.
    """
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _find(folder: Path, name: str) -> Path:
    for file in _spellings(folder, name):
        if file.is_file():
            return file
    raise DataError(f"{folder}: has no {name} (nor {name}.gz); four IDX files are needed")


def _spellings(folder: Path, name: str) -> list[Path]:
    stems = (name, name.replace("-idx", ".idx"))
    return [folder / f"{stem}{suffix}" for stem in stems for suffix in ("", ".gz")]


def _read_header(path: Path, file: io.BufferedIOBase, dimensions: int) -> tuple[int, ...]:
    """The shape that the header gives; `file` stands at the first value then."""
    expected = bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    magic = file.read(4)
    if magic != expected:
        raise DataError(
            f"{path}: not an IDX file of unsigned bytes in {dimensions} "
            f"dimension{'s' if dimensions > 1 else ''}: it must start with {expected.hex(' ')}, "
            + (f"and starts with {magic.hex(' ')}" if magic else "and is empty")
        )
    sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise DataError(f"{path}: cut short within its header; get the file again")
    return struct.unpack(f">{dimensions}I", sizes)


def _unpack(path: Path, file: io.BufferedIOBase, dimensions: int, packed_size: int) -> Array:
    shape = _read_header(path, file, dimensions)
    offset, size = file.tell(), math.prod(shape)
    if size > max(_UNPACKED_FREELY, packed_size * _MAX_RATIO):
        raise DataError(
            f"{path}: its header says {times(shape)}, in {packed_size} bytes of gzip; "
            "if that is meant, unpack it by gunzip, and it is read in parts"
        )
    values = np.empty(size, np.uint8)
    have = 0
    while have < size:
        count = file.readinto(values.data[have : have + _CHUNK])
        if not count:
            raise _wrong_size(path, shape, offset + size, f"unpacks to {offset + have}", short=True)
        have += count
    if file.read(1):
        raise _wrong_size(path, shape, offset + size, "unpacks to more", short=False)
    return values.reshape(shape)


def _wrong_size(
    path: Path, shape: tuple[int, ...], expected: int, actual: str, *, short: bool
) -> DataError:
    advice = "it was cut short; get it again" if short else "something follows the values"
    return DataError(
        f"{path}: its header says {times(shape)}, {expected} bytes in all, "
        f"but the file {actual}: {advice}"
    )


def _digest(values: Array) -> str:
    """The SHA-256 of the IDX file that holds these values."""
    sizes = struct.pack(f">{values.ndim}I", *values.shape)
    sha256 = hashlib.sha256(bytes([0, 0, _UNSIGNED_BYTE, values.ndim]) + sizes)
    sha256.update(values.data)
    return sha256.hexdigest()
