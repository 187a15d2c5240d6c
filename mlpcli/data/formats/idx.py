"""IDX files, the format of MNIST: a magic number, the dimensions, then the values, row by row.

    offset  size  what
    0       2     zero
    2       1     type of the values; 0x08 is an unsigned byte, 0x0C an integer of 4 bytes
    3       1     number of dimensions
    4       4·n   the dimensions, unsigned, big-endian
    4+4n          the values

A file may be compressed by gzip, whatever its name ends in. Plain files are memory-mapped. The
header is checked against what the file holds before memory is taken.

Images are unsigned bytes in 3 dimensions, labels in 1; QMNIST's labels are integers in 2, of which
the first column is the class (Yadav & Bottou 2019).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import re
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

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

# EMNIST's and QMNIST's files begin with the name of the set.
_NAMED = re.compile(
    r"(?P<set>.+)-(?P<part>train|test)-(?P<kind>images-idx3-ubyte|labels-idx1-ubyte|labels-idx2-int)"
    r"(\.gz)?"
)
_ON_THEIR_SIDE = (
    "EMNIST's images lie on their side, mirrored, as they are published; to be predicted, pictures "
    "must, too"
)

_GZIP_MAGIC = b"\x1f\x8b"
_TYPES: dict[int, tuple[int, np.dtype[Any]]] = {
    1: (0x08, np.dtype(np.uint8)),
    2: (0x0C, np.dtype(">i4")),
    3: (0x08, np.dtype(np.uint8)),
}
"""The type of the values, by the number of dimensions."""

_CALLED = {1: "unsigned bytes", 4: "integers of 4 bytes"}

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
    paths = _find(path)
    arrays = [read(file, _dimensions(file)) for file in paths]
    for part in (0, 2):
        images, labels = arrays[part], arrays[part + 1]
        if images.size == 0:
            raise DataError(f"{paths[part]}: holds no images ({times(images.shape)})")
        if len(images) != len(labels):
            raise DataError(
                f"{paths[part + 1]}: holds {len(labels)} labels, but {paths[part].name} has "
                f"{len(images)} images; take both from the same data set"
            )
    X, y, X_test, y_test = (a[:, 0] if a.ndim == 2 else a for a in arrays)
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
        notices=(_ON_THEIR_SIDE,) if paths[0].name.startswith("emnist-") else (),
    )


def holds_idx(path: Path) -> bool:
    """Whether a folder has any of the four files, so that it is one for `open_folder`."""
    spelled = any(file.is_file() for name in FILES for file in _spellings(path, name))
    return spelled or bool(_named_sets(path))


def read(path: Path, dimensions: int) -> Array:
    """Read one IDX file.

    Args:
        path: the file, plain or compressed by gzip.
        dimensions: how many there must be: 3 for images (N, height, width), 1 for labels (N,), 2
            for QMNIST's labels (N, columns).

    Returns:
        An array of the header's shape, uint8, or int32 in 2 dimensions; read-only and memory-mapped
        where the file is plain.

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
            dtype = _TYPES[dimensions][1]
            offset, expected = file.tell(), file.tell() + math.prod(shape) * dtype.itemsize
            size = path.stat().st_size
            if size != expected:
                raise _wrong_size(path, shape, expected, f"has {size}", short=size < expected)
            if size == offset:
                return np.empty(shape, dtype)  # nothing cannot be mapped
            return np.memmap(path, dtype, mode="r", offset=offset, shape=shape)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip data ({error}); get the file again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def combined_digest(digests: Iterable[str]) -> str:
    """The digest of a data set, from the SHA-256 of each of its (decompressed) `FILES`, in hex.

    It is the same wherever the files lie and whether they are compressed or not.
    """
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def read_labels_beside(images: Path) -> Array | None:
    """(N,) int64 labels of the file that belongs to a file of images; None if there is none.

    Raises:
        DataError: it cannot be read.
    """
    for kind in ("labels-idx1-ubyte", "labels.idx1-ubyte", "labels-idx2-int"):
        name = re.sub(r"images[-.]idx3-ubyte", kind, images.name)
        for file in (images.with_name(name), images.with_name(f"{name}.gz")):
            if name != images.name and file.is_file():
                labels = read(file, _dimensions(file)).astype(np.int64)
                return labels[:, 0] if labels.ndim == 2 else labels
    return None


def _dimensions(file: Path) -> int:
    return 3 if "images" in file.name else 2 if "idx2" in file.name else 1


def _find(folder: Path) -> list[Path]:
    """The files of a folder, in the order of `FILES`."""
    found = [
        next((file for file in _spellings(folder, name) if file.is_file()), None) for name in FILES
    ]
    names: Sequence[str] = FILES
    if found == [None] * len(FILES):
        sets = _named_sets(folder)
        if len(sets) > 1:
            raise DataError(
                f"{folder}: has the files of several data sets ({', '.join(sorted(sets))}); "
                "move those of one into a folder of its own"
            )
        for prefix, files in sets.items():
            found = [files.get(name) for name in FILES]
            names = [f"{prefix}-{name.replace('t10k', 'test')}" for name in FILES]
            if any("idx2" in file.name for file in files.values()):
                names = [name.replace("labels-idx1-ubyte", "labels-idx2-int") for name in names]
    for file, name in zip(found, names, strict=True):
        if file is None:
            raise DataError(f"{folder}: has no {name} (nor {name}.gz); four IDX files are needed")
    return [file for file in found if file is not None]


def _named_sets(folder: Path) -> dict[str, dict[str, Path]]:
    """{set: {name in `FILES`: file}} of files that begin with the name of their set."""
    sets: dict[str, dict[str, Path]] = {}
    for file in sorted(folder.glob("*-idx*")):
        if (named := _NAMED.fullmatch(file.name)) and file.is_file():
            part = "train" if named["part"] == "train" else "t10k"
            kind = "images-idx3-ubyte" if "images" in named["kind"] else "labels-idx1-ubyte"
            sets.setdefault(named["set"], {}).setdefault(f"{part}-{kind}", file)
    return sets


def _spellings(folder: Path, name: str) -> list[Path]:
    stems = (name, name.replace("-idx", ".idx"))
    return [folder / f"{stem}{suffix}" for stem in stems for suffix in ("", ".gz")]


def _read_header(path: Path, file: io.BufferedIOBase, dimensions: int) -> tuple[int, ...]:
    """The shape that the header gives; `file` stands at the first value then."""
    kind, dtype = _TYPES[dimensions]
    expected = bytes([0, 0, kind, dimensions])
    magic = file.read(4)
    if magic != expected:
        raise DataError(
            f"{path}: not an IDX file of {_CALLED[dtype.itemsize]} in {dimensions} "
            f"dimension{'s' if dimensions > 1 else ''}: it must start with {expected.hex(' ')}, "
            + (f"and starts with {magic.hex(' ')}" if magic else "and is empty")
        )
    sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise DataError(f"{path}: cut short within its header; get the file again")
    return struct.unpack(f">{dimensions}I", sizes)


def _unpack(path: Path, file: io.BufferedIOBase, dimensions: int, packed_size: int) -> Array:
    shape = _read_header(path, file, dimensions)
    dtype = _TYPES[dimensions][1]
    offset, size = file.tell(), math.prod(shape) * dtype.itemsize
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
    return values.view(dtype).reshape(shape)


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
    sha256 = hashlib.sha256(bytes([0, 0, _TYPES[values.ndim][0], values.ndim]) + sizes)
    sha256.update(values.view(np.uint8).data)
    return sha256.hexdigest()
