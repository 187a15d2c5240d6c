"""Arrays as NumPy saves them: an .npz archive, or a folder of memory-mapped .npy files.

Nothing is unpickled, and headers are checked before memory is taken for values.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mlpcli.arrays import Array, distinct
from mlpcli.data.dataset import Dataset
from mlpcli.errors import DataError
from mlpcli.files import open_input
from mlpcli.npz import Archive, Header, Purpose, open_archive, read_header
from mlpcli.text import quoted, times

_ARRAYS = ("X", "y", "X_test", "y_test")

_PURPOSE = Purpose(
    DataError,
    "an .npz archive",
    damaged="save it again by np.save or np.savez",
    objects="convert it to an array of numbers, or labels to text by .astype(str)",
    bomb="if they are meant to, give a folder with X.npy and y.npy, which is read in parts",
)
_UNPACKED_FREELY = 64 << 20  # bytes: what an archive of any size may unpack to

# Mapped arrays are digested and checked for NaN in full up to so much, and in parts beyond.
_DIGESTED_IN_FULL = 256 << 20
_DIGEST_BLOCK = 64 << 10
_DIGEST_BLOCKS = 1024
_CHECKED = 64 << 20
_CHECKED_ROWS = 1024
_CHUNK = 1 << 20


def open_npz(path: Path, source: str) -> Dataset:
    """Open an archive with X and y, and perhaps X_test and y_test; other arrays are ignored.

    Its members may declare, together, as many bytes as the machine has memory, and beyond 64 MiB no
    more than 100 times the size of the archive: a small file cannot claim a large memory.

    Returns:
        X (N, D), or images (N, height, width) that are flattened: uint8, float32 or float64 as they
        are, other numbers as float32; y (N,) int64 or text. uint8 has the full scale 255. The
        digest is that of the file.

    Raises:
        DataError: what is wrong with which array.
    """
    arrays, headers, digest = _read_npz(path, source)
    return _as_dataset(arrays, headers, source=source, digest=digest)


def read_npz(path: Path, source: str) -> tuple[Array, Array | None, Array | None]:
    """(X (N, D), y (N,) or None, which rows have a y, or None if all have); else as `open_npz`."""
    arrays, headers, _ = _read_npz(path, source, labelled=False)
    X, y, there = arrays["X"], arrays.get("y"), None
    if y is not None:
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            there = np.isfinite(y)
            y = np.where(there, y, 0)
        y = _labels(y, headers["y"].where)
    return X.reshape(len(X), -1), y, there


def read_npy(path: Path, source: str) -> tuple[Array, None]:
    """X (N, D) of a single .npy file, memory-mapped; images (N, height, width) are flattened.

    Returns:
        X, and no labels.

    Raises:
        DataError: what is wrong with it.
    """
    with open_input(path) as stream:
        header = read_header(stream, path.stat().st_size, source, _PURPOSE)
    _check_inputs(header)
    order: Literal["C", "F"] = "F" if header.fortran_order else "C"
    X = np.memmap(path, header.dtype, "r", offset=header.offset, shape=header.shape, order=order)
    _refuse_non_finite(X, np.arange(len(X)), source)
    return X.reshape(len(X), -1), None


def _read_npz(
    path: Path, source: str, *, labelled: bool = True
) -> tuple[dict[str, Array], dict[str, Header], str]:
    """The arrays of an archive, their headers, and the file's digest."""
    with open_input(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        with open_archive(file, source, _PURPOSE) as archive:
            arrays, headers = _unpack(archive, source, labelled=labelled)
    return arrays, headers, digest


def open_folder(path: Path, source: str) -> Dataset:
    """Open a folder with X.npy and y.npy, and perhaps X_test.npy and y_test.npy.

    X is memory-mapped, so that it may be larger than memory. NaN and infinity are looked for in the
    whole of an X of up to 64 MiB; beyond, in up to 1,024 rows (64 MiB at most), evenly spaced.

    Returns:
        As `open_npz`, but X has whatever dtype it has in its file. The digest is `_folder_digest`.

    Raises:
        DataError: what is wrong with which file.
    """
    files = {name: path / f"{name}.npy" for name in _ARRAYS if (path / f"{name}.npy").exists()}
    headers: dict[str, Header] = {}
    for name, file in files.items():
        with open_input(file) as stream:
            headers[name] = read_header(stream, file.stat().st_size, str(file), _PURPOSE)
    _check_headers(headers, source, ".npy")
    arrays: dict[str, Array] = {}
    for name, file in files.items():
        header = headers[name]
        if header.fortran_order and len(header.shape) > 1:
            raise DataError(
                f"{file}: is in Fortran order, in which samples cannot be read one by one; "
                f'save it by np.save("{file.name}", np.ascontiguousarray({name}))'
            )
        array: Array = np.memmap(
            file, header.dtype, mode="r", offset=header.offset, shape=header.shape
        )
        if array.ndim == 1:
            array = np.array(array)
        else:
            _refuse_non_finite(array, _rows_to_check(array), str(file))
        arrays[name] = array
    return _as_dataset(arrays, headers, source=source, digest=_folder_digest(files))


def holds_images(path: Path) -> bool:
    """Whether the X of an .npz file or a folder is of images (N, height, width), by its header.

    Raises:
        DataError, OSError: what is wrong with it.
    """
    array = path / "X.npy" if path.is_dir() else path
    with open_input(array) as file:
        if path.is_dir():
            header = read_header(file, array.stat().st_size, str(array), _PURPOSE)
        else:
            with open_archive(file, str(path), _PURPOSE) as archive:
                header = archive.header("X")
    return len(header.shape) == 3


def _check_headers(
    headers: dict[str, Header], source: str, suffix: str, *, labelled: bool = True
) -> None:
    """Check that X and y are there, perhaps with a test set, and go together in shape and dtype.

    `suffix` follows the arrays' names where they lie. y may be missing where not `labelled`.
    """
    for name, partner in (("X", "y"), ("y", "X"), ("X_test", "y_test"), ("y_test", "X_test")):
        if partner in headers and name not in headers and (labelled or name != "y"):
            raise DataError(
                f"{source}: has {partner}{suffix} and no {name}{suffix}; "
                + ("both are needed" if name in ("X", "y") else "add it, or remove the other")
            )
    for name, header in headers.items():
        (_check_inputs if name.startswith("X") else _check_labels)(header)
    for X, y in (("X", "y"), ("X_test", "y_test")):
        if X in headers and y in headers and headers[X].shape[0] != headers[y].shape[0]:
            raise DataError(
                f"{headers[y].where}: has {headers[y].shape[0]} labels, "
                f"but {X} has {headers[X].shape[0]} samples"
            )
    if "X_test" in headers:
        test, train = headers["X_test"], headers["X"]
        if test.shape[1:] != train.shape[1:]:
            raise DataError(
                f"{test.where}: its samples are {times(test.shape[1:])}, "
                f"but those of X are {times(train.shape[1:])}"
            )
        if (test.dtype == np.uint8) != (train.dtype == np.uint8):
            raise DataError(
                f"{test.where}: is {test.dtype}, but X is {train.dtype}; "
                "give both in one dtype, so that they are scaled alike"
            )


def _check_inputs(header: Header) -> None:
    if header.dtype.kind not in "biuf" or header.dtype.itemsize > 8:
        raise DataError(f"{header.where}: is of dtype {header.dtype}; convert it to float32")
    if len(header.shape) not in (2, 3):
        grey = len(header.shape) == 4 and 1 in header.shape[1:]  # images of one channel
        call = "squeeze()" if grey else "reshape(len(X), -1)"
        raise DataError(
            f"{header.where}: has the shape {header.shape}; samples × features or "
            f"samples × height × width is needed: try X.{call}"
        )
    if 0 in header.shape:
        raise DataError(f"{header.where}: is empty: its shape is {header.shape}")


def _check_labels(header: Header) -> None:
    if header.dtype.kind not in "biufU":
        raise DataError(
            f"{header.where}: is of dtype {header.dtype}; labels are integers or text: "
            "try y.astype(str)"
        )
    if len(header.shape) != 1:
        one_hot = len(header.shape) == 2 and header.shape[1] > 1
        raise DataError(
            f"{header.where}: has the shape {header.shape}; one label per sample is needed: "
            + ("if it is one-hot, y.argmax(axis=1)" if one_hot else "try y.ravel()")
        )


def _as_dataset(arrays: dict[str, Array], headers: dict[str, Header], **more: Any) -> Dataset:
    """Arrays whose headers have been checked, as a data set."""
    X, X_test = arrays["X"], arrays.get("X_test")
    return Dataset(
        X=X.reshape(len(X), -1),
        y=_labels(arrays["y"], headers["y"].where),
        X_test=None if X_test is None else X_test.reshape(len(X_test), -1),
        y_test=_labels(arrays["y_test"], headers["y_test"].where) if "y_test" in arrays else None,
        image_shape=(X.shape[1], X.shape[2]) if X.ndim == 3 else None,
        **more,
    )


def _labels(y: Array, where: str) -> Array:
    """(N,) int64, float64 or text, from labels in any dtype that `_check_labels` lets pass."""
    if y.dtype.kind == "U":
        y = np.ascontiguousarray(y, y.dtype.newbyteorder("="))
        points = y.view(np.uint32).reshape(len(y), -1)
        invalid = (points > 0x10FFFF) | ((points >= 0xD800) & (points < 0xE000))
        control = ((points > 0) & (points < 0x20)) | ((points >= 0x7F) & (points < 0xA0))
        bad = np.flatnonzero((invalid | control).any(axis=1))
        if len(bad):
            raise DataError(
                f"{where}: the label of sample {bad[0] + 1} has a control character or one that "
                "is not Unicode; take it out"
            )
        return y
    if y.dtype.kind == "f":
        bad = np.flatnonzero(~np.isfinite(y))
        if len(bad):
            sample = int(bad[0])
            raise DataError(
                f"{where}: the label {y[sample]} (sample {sample + 1}) is not finite; "
                "remove the sample"
            )
        y = y.astype(np.float64)
        if not ((y == np.rint(y)) & (np.abs(y) < 2.0**53)).all():
            return y
    elif y.dtype.kind == "u" and y.size and y.max() > np.iinfo(np.int64).max:
        raise DataError(f"{where}: has the label {y.max()}, which does not fit into int64")
    return y.astype(np.int64)


def _refuse_non_finite(X: Array, rows: npt.NDArray[np.intp], where: str) -> None:
    """Refuse NaN or infinity in some rows of X, a few at a time, naming the first."""
    if X.dtype.kind != "f":
        return
    step = max(1, _CHUNK // (X[0].size * X.itemsize))
    for start in range(0, len(rows), step):
        chunk = rows[start : start + step]
        bad = np.argwhere(~np.isfinite(X[chunk].reshape(len(chunk), -1)))
        if len(bad):
            sample, column = int(chunk[bad[0, 0]]), int(bad[0, 1])
            raise DataError(
                f"{where}: sample {sample + 1} has {X[sample].ravel()[column]} in column "
                f"{column + 1}; fill it in or remove the sample"
            )


def _unpack(
    archive: Archive, source: str, *, labelled: bool
) -> tuple[dict[str, Array], dict[str, Header]]:
    """The arrays of the archive that have a name of ours, and their headers."""
    ours = [name for name in _ARRAYS if name in archive.names]
    if "X" not in ours and "y" not in ours:
        there = ", ".join(quoted(name) for name in archive.names[:10]) or "nothing"
        raise DataError(
            f"{source}: has no arrays X and y, but {there}; save np.savez(file, X=X, y=y)"
        )
    archive.bound(ours, freely=_UNPACKED_FREELY)
    headers = {name: archive.header(name) for name in ours}
    _check_headers(headers, source, "", labelled=labelled)
    return {name: _converted(archive.read(name), headers[name]) for name in ours}, headers


def _converted(array: Array, header: Header) -> Array:
    """Labels as they are; X C-ordered and finite, as uint8, float32 or float64."""
    if array.ndim == 1:
        return array
    dtype = header.dtype.newbyteorder("=")
    if dtype not in (np.uint8, np.float32, np.float64):
        dtype = np.dtype(np.float32)
    X = np.ascontiguousarray(array, dtype)
    _refuse_non_finite(X, np.arange(len(X)), header.where)
    return X


def _rows_to_check(X: Array) -> npt.NDArray[np.intp]:
    if X.nbytes <= _CHECKED:
        return np.arange(len(X))
    count = min(_CHECKED_ROWS, max(1, _CHECKED * len(X) // X.nbytes))
    return distinct(np.linspace(0, len(X) - 1, count).astype(np.intp))


def _folder_digest(files: dict[str, Path]) -> str:
    """SHA-256 over each file's name, size and bytes.

    Where the files have more than 256 MiB together, it is over the bytes of up to 1,024 blocks of
    64 KiB a file: evenly spaced, the first and the last among them.
    """
    sizes = {name: file.stat().st_size for name, file in files.items()}
    in_full = sum(sizes.values()) <= _DIGESTED_IN_FULL
    sha256 = hashlib.sha256()
    for name, file in files.items():
        size = sizes[name]
        sha256.update(f"{name} {size}\n".encode())
        with open_input(file) as stream:
            if in_full or size <= _DIGEST_BLOCK * _DIGEST_BLOCKS:
                sha256.update(hashlib.file_digest(stream, "sha256").digest())
                continue
            for start in np.linspace(0, size - _DIGEST_BLOCK, _DIGEST_BLOCKS).astype(np.int64):
                stream.seek(int(start))
                sha256.update(stream.read(_DIGEST_BLOCK))
    return sha256.hexdigest()
