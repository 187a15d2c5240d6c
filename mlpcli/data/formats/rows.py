"""Rows for a model to predict, from whatever file they are in, with labels or without."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.columns import Column
from mlpcli.data.dataset import Dataset
from mlpcli.data.formats import idx, numpy_files, pictures
from mlpcli.data.formats.table import TableReader
from mlpcli.errors import DataError, UsageError

_KINDS = "give a .csv, .tsv, .npz, .npy, IDX, .png or .jpg file, or - for CSV on stdin"
_FILL_THEIR_FRAME = ("digits", "fashion-mnist")  # and are not set in a margin, as MNIST's are


@dataclass(frozen=True)
class Wanted:
    """What a model takes, as its checkpoint has it.

    Attributes:
        model: its file, for messages.
        D: inputs per row.
        source: what it was trained on.
        columns, label_name, label_column: of a table.
        image_shape, full_scale: of images.
    """

    model: Path
    D: int
    source: str
    columns: Sequence[str] | None
    label_name: str | None
    label_column: str | None
    image_shape: tuple[int, int] | None
    full_scale: float | None


@dataclass(frozen=True)
class Inputs:
    """Rows to predict: X (N, D), and their labels (N,) where they have them."""

    X: Array
    labels: Array | None = None


def open_inputs(source: str, wanted: Wanted, *, label_column: str | None = None) -> Inputs:
    """Open a table or arrays.

    Columns are matched with the model's by name, where both have a header. A label is what is in
    `label_column`, else in the column that has the model's label's name, else in a column more than
    the model takes; it may be missing.

    Args:
        source: a path, or - for a table on standard input.
        wanted: what the model takes.
        label_column: name or index of a table's column of labels.

    Raises:
        DataError: it cannot be read, or does not fit the model.
        UsageError: a label column was given for something that is no table.
    """
    path = Path(source).expanduser()
    suffix = path.suffix.lower()
    try:
        if source == "-":
            return _table(TableReader(sys.stdin.buffer, "stdin"), wanted, label_column)
        if path.is_dir():
            raise DataError(f"{source}: is a folder; {_KINDS}")
        if suffix in DELIMITERS:
            with path.open("rb") as file:
                reader = TableReader(file, source, DELIMITERS[suffix])
                return _table(reader, wanted, label_column)
        if label_column is not None:
            raise UsageError(f"--label-column is for .csv and .tsv tables, and {source} is not one")
        inputs = _arrays(path, source)
    except FileNotFoundError:
        raise DataError(f"{source}: does not exist; {_KINDS}") from None
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror or error}") from error
    _check_width(inputs.X.shape[1], source, wanted)
    return inputs


def open_stream(stream: BinaryIO, source: str, wanted: Wanted) -> Inputs:
    """Open a table that a stream holds; otherwise as `open_inputs`."""
    return _table(TableReader(stream, source), wanted, None)


def frame_of(source: str) -> float:
    """The share of an image's side that its object takes in the images of `source`."""
    return 1.0 if source in _FILL_THEIR_FRAME else pictures.FRAME


def is_image(source: str) -> bool:
    """Whether a path is one of a picture, by its suffix."""
    return source.lower().endswith(pictures.SUFFIXES)


def open_images(sources: Sequence[str], wanted: Wanted, *, prepare: bool) -> Inputs:
    """Open pictures, a row each, made to look like the model's images unless told not to.

    Raises:
        DataError: one cannot be read, or the model was not trained on images.
    """
    shape, scale = wanted.image_shape, wanted.full_scale
    if shape is None or scale is None:
        kind = "no images" if shape is None else "images whose pixels have no known largest value"
        raise DataError(
            f"{sources[0]}: a picture, but {wanted.model} was trained on {kind} "
            f"({wanted.source}); give the rows as a table or as .npz"
        )
    frame = frame_of(wanted.source)
    X = np.empty((len(sources), wanted.D), np.float32)
    for row, source in zip(X, sources, strict=True):
        pixels = pictures.read_image(Path(source), shape, prepare_it=prepare, frame=frame)
        row[:] = (pixels * (scale / 255)).ravel()
    return Inputs(X)


def _table(reader: TableReader, wanted: Wanted, label_column: str | None) -> Inputs:
    label = None if label_column is None else reader.find(label_column)
    features = None
    if reader.header is not None and wanted.columns is not None:
        features = [reader.find_name(name) for name in wanted.columns]
        if label is None and wanted.label_name in reader.header:
            label = reader.header.index(wanted.label_name)
    elif label is None and reader.width == wanted.D + 1:
        column = wanted.label_column
        by_index = column is not None and column.lstrip("+-").isdigit()
        label = reader.find(column) if column is not None and by_index else wanted.D
    if features is None:
        _check_width(reader.width - (label is not None), reader.source, wanted)
    table = reader.read(label=label, features=features)
    return Inputs(table.X, table.labels)


def _arrays(path: Path, source: str) -> Inputs:
    if path.suffix.lower() == ".npz":
        return Inputs(*numpy_files.read_npz(path, source))
    if path.suffix.lower() == ".npy":
        return Inputs(numpy_files.read_npy(path, source))
    if "ubyte" not in path.name and ".idx" not in path.name.lower():
        path.stat()  # whether it is there is what to say first
        raise DataError(f"{source}: not a kind of file that can be read; {_KINDS}")
    X = idx.read(path, 3)
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    labels = None
    if beside != path and beside.is_file():
        labels = idx.read(beside, 1).astype(np.int64)
        if len(labels) != len(X):
            raise DataError(
                f"{beside}: holds {len(labels)} labels, but {path.name} has {len(X)} images"
            )
    return Inputs(X.reshape(len(X), -1), labels)


def _check_width(width: int, source: str, wanted: Wanted) -> None:
    if width != wanted.D:
        raise DataError(f"{source}: has {width} columns of inputs, {wanted.model} takes {wanted.D}")


_DATA_KINDS = (
    "a .csv or .tsv table, an .npz with X and y, a folder with X.npy and y.npy, "
    "or a folder of four IDX files"
)


DELIMITERS = {".csv": None, ".tsv": "\t"}


def open_path(
    path: Path,
    source: str,
    *,
    label_column: str | None = None,
    columns: Sequence[str] | None = None,
    label_name: str | None = None,
) -> Dataset:
    """Open a person's own data.

    Args:
        path: a `.csv` or `.tsv` file (see `table.TableReader`), an `.npz` file or a folder with
            `X.npy` and `y.npy` (see `numpyfiles`), or a folder of four IDX files (see `idx`).
        source: what was given as `--data`.
        label_column: of a table, the name or index of the label's column (see
            `TableReader.find`); None for the last.
        columns, label_name: of a table with a header, the names of the features and of the label
            that a model was trained on; other columns are left out. Ignored without a header.

    Returns:
        The data set, X (N, D) and y (N,); of a table, X is float32, and named by its header if it
        has one. Labels of one class only are left for `dataset.split` to refuse: they are no fault
        in a file to evaluate on.

    Raises:
        DataError: there is nothing there, or it cannot be used: where and why, and what to do.
        UsageError: a label's column was given for something that is not a table.
    """
    suffix = path.suffix.lower()
    try:
        if not path.exists():
            raise DataError(f"{source}: does not exist; give {_DATA_KINDS}")
        if suffix in DELIMITERS and not path.is_dir():
            return _open_table(path, source, label_column, DELIMITERS[suffix], columns, label_name)
        if label_column is not None:
            raise UsageError(f"--label-column is for .csv and .tsv tables, and {source} is not one")
        return _open_arrays(path, source)
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror or error}") from error


def _open_table(
    path: Path,
    source: str,
    label_column: str | None,
    delimiter: str | None,
    columns: Sequence[str] | None,
    label_name: str | None,
) -> Dataset:
    with path.open("rb") as file:
        reader = TableReader(file, source, delimiter)
        label = reader.width - 1
        if label_column is not None:
            label = reader.find(label_column)
        elif label_name is not None and reader.header is not None:
            label = reader.find_name(label_name)
        features = None
        if columns is not None and reader.header is not None:
            features = [reader.find_name(name) for name in columns]
        table = reader.read(label=label, features=features)
    assert table.labels is not None
    return Dataset(
        source=source,
        X=table.X,
        y=table.labels,
        digest=table.digest,
        columns=tuple(
            Column(name, position)
            for name, position in zip(
                table.columns or (None,) * len(table.positions), table.positions, strict=True
            )
        ),
        label_name=table.label_name,
    )


def _open_arrays(path: Path, source: str) -> Dataset:

    if not path.is_dir():
        if path.suffix.lower() == ".npz":
            return numpy_files.open_npz(path, source)
        raise DataError(f"{source}: not a kind of file that can be read; give {_DATA_KINDS}")
    if (path / "X.npy").exists() or (path / "y.npy").exists():
        return numpy_files.open_folder(path, source)
    if idx.holds_idx(path):
        return idx.open_folder(path, source)
    raise DataError(
        f"{source}: a folder with neither X.npy and y.npy nor IDX files; give {_DATA_KINDS}"
    )
