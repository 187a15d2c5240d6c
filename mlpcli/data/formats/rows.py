"""Data from whatever file they are in: to train on, to evaluate on, or to predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.columns import Column, Layout, TableOptions
from mlpcli.data.dataset import Dataset
from mlpcli.data.formats import idx, numpy_files, pictures
from mlpcli.data.formats.collect import Table, collect, combined_digest
from mlpcli.data.formats.registry import (
    PREDICTION_KINDS,
    STDIN,
    TRAINING_KINDS,
    format_of,
    why_not,
)
from mlpcli.data.formats.table import TableReader
from mlpcli.data.formats.tables import read_tables
from mlpcli.errors import DataError, UsageError

_FILL_THEIR_FRAME = ("digits", "fashion-mnist")  # and are not set in a margin, as MNIST's are


@dataclass(frozen=True)
class Wanted:
    """What a model takes, as its checkpoint has it.

    Attributes:
        model: its file, for messages.
        D: raw columns per row.
        source: what it was trained on.
        layout: of a table; None of images.
        image_shape, full_scale: of images.
    """

    model: Path
    D: int
    source: str
    layout: Layout | None
    image_shape: tuple[int, int] | None
    full_scale: float | None

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of its columns, if they have any."""
        return (self.layout.names or None) if self.layout is not None else None


@dataclass(frozen=True)
class Inputs:
    """Rows to predict.

    Attributes:
        X: (N, R).
        labels: (N,), if they have any.
        labelled: (N,) bool, which rows have one; None if all have.
        unseen: cells of categories that the model does not know.
        notices: what there is to say of the file.
    """

    X: Array
    labels: Array | None = None
    labelled: Array | None = None
    unseen: int = 0
    notices: tuple[str, ...] = ()


def open_inputs(source: str, wanted: Wanted, options: TableOptions | None = None) -> Inputs:
    """Open a table or arrays.

    Columns are matched with the model's, see `match_layout`; labels may be missing.

    Args:
        source: a path, or - for a table on standard input.
        wanted: what the model takes.
        options: a table's column of labels, and whether it has a header.

    Raises:
        DataError: it cannot be read, or does not fit the model.
        UsageError: a label column was given for something that is no table.
    """
    form, path = format_of(source), Path(source).expanduser()
    try:
        if source != STDIN and path.is_dir():
            raise DataError(f"{source}: is a folder; give {PREDICTION_KINDS}")
        if form is not None and form.is_table:
            layout = wanted.layout or numbers_only(wanted.D, str(wanted.model))
            table = read_tables([source], options, layout, labelled=False)
            return Inputs(table.X, table.labels, table.labelled, table.unseen, table.notices)
        path.stat()  # whether it is there is what to say first
        if reason := why_not(source):
            raise DataError(f"{source}: {reason}")
        _refuse_options(options, source)
        inputs = _arrays(path, source)
    except FileNotFoundError:
        raise DataError(f"{source}: does not exist; give {PREDICTION_KINDS}") from None
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror or error}") from error
    if inputs.X.shape[1] != wanted.D:
        raise DataError(
            f"{source}: has {inputs.X.shape[1]} columns of inputs, {wanted.model} takes {wanted.D}"
        )
    return inputs


def open_stream(stream: BinaryIO, source: str, wanted: Wanted) -> Inputs:
    """Open a table of the model's columns that a stream holds, with their names if they have any.

    Raises:
        DataError: it cannot be read.
    """
    layout = wanted.layout or numbers_only(wanted.D, str(wanted.model))
    options = TableOptions(header="yes" if layout.names else "no")
    table = collect([TableReader(stream, source, options)], options, layout, labelled=False)
    return Inputs(table.X, unseen=table.unseen)


def numbers_only(R: int, model: str) -> Layout:
    """The layout of a model of R numbers without names, such as arrays are."""
    return Layout(tuple(Column(None, j) for j in range(R)), None, R, R + 1, model=model)


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


def _arrays(path: Path, source: str) -> Inputs:
    if path.suffix.lower() == ".npz":
        return Inputs(*numpy_files.read_npz(path, source))
    if path.suffix.lower() == ".npy":
        return Inputs(numpy_files.read_npy(path, source))
    if "ubyte" not in path.name and ".idx" not in path.name.lower():
        raise DataError(f"{source}: not a kind of file that can be read; give {PREDICTION_KINDS}")
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


def open_paths(
    sources: Sequence[str],
    options: TableOptions | None = None,
    layout: Layout | None = None,
    *,
    test: str | None = None,
    val: str | None = None,
) -> Dataset:
    """Open a person's own data.

    Args:
        sources: a table (see `collect`), or several of the same columns; or an `.npz` file or a
            folder with `X.npy` and `y.npy` (see `numpy_files`), or a folder of four IDX files (see
            `idx`).
        options: what a person says of a table.
        layout: how a model reads a table.
        test, val: tables whose rows are for testing, and for validation.

    Returns:
        The data set, X (N, R) and y (N,). Labels of one class only are left for `split` to refuse:
        they are no fault in a file to evaluate on.

    Raises:
        DataError: there is nothing there, or it cannot be used: where and why, and what to do.
        UsageError: options of tables were given for something that is none.
    """
    try:
        for source in sources:
            if source != STDIN and not Path(source).expanduser().exists():
                raise DataError(f"{source}: does not exist; give {TRAINING_KINDS}")
        if all(map(_is_table, (*sources, *filter(None, (test, val))))):
            return _open_tables(sources, options, layout, test, val)
        for source in sources:
            if reason := why_not(source):
                raise DataError(f"{source}: {reason}")
        if len(sources) > 1:
            raise UsageError(
                "several --data can only be tables of the same columns, or one test set of them"
            )
        _refuse_options(options, sources[0])
        if test is not None or val is not None:
            raise UsageError(
                "--test-data and --val-data are tables beside a table; "
                "put X_test and y_test into an .npz"
            )
        return _open_arrays(Path(sources[0]).expanduser(), sources[0])
    except OSError as error:
        where = error.filename or sources[0]
        raise DataError(f"{where}: cannot be read: {error.strerror or error}") from error


def _is_table(source: str) -> bool:
    form = format_of(source)
    folder = source != STDIN and Path(source).expanduser().is_dir()
    return form is not None and form.is_table and not folder


def _refuse_options(options: TableOptions | None, source: str) -> None:
    for name in options.given() if options else []:
        flag = "--" + name.replace("_", "-")
        raise UsageError(f"{flag} is for tables, and {source} is not one")


def _open_tables(
    sources: Sequence[str],
    options: TableOptions | None,
    layout: Layout | None,
    test: str | None,
    val: str | None,
) -> Dataset:
    table = read_tables(sources, options, layout)
    data = as_dataset(table, sources)
    own = layout or data.layout
    if test is not None:
        rows, data = _beside(data, test, options, own)
        data = replace(data, X_test=rows.X, y_test=rows.labels)
    if val is not None:
        rows, data = _beside(data, val, options, own)
        data = replace(data, X_val=rows.X, y_val=rows.labels)
    return data


def _beside(
    data: Dataset, source: str, options: TableOptions | None, layout: Layout | None
) -> tuple[Table, Dataset]:
    """The rows of a table that is read like the data set's, which knows of it by its digest."""
    rows = read_tables([source], _for_other_rows(options), layout)
    notices = (*data.notices, *rows.notices, *_count_dropped(rows, source))
    digest = combined_digest([data.digest, rows.digest])
    return rows, replace(data, digest=digest, notices=notices)


def _for_other_rows(options: TableOptions | None) -> TableOptions | None:
    """What is said of the training table, so far as it goes for a test set."""
    return None if options is None else TableOptions(numeric=options.numeric)


def _count_dropped(table: Table, source: str) -> list[str]:
    if not table.dropped:
        return []
    rows = "1 row" if table.dropped == 1 else f"{table.dropped:,} rows"
    return [f"{source}: {rows} without a label left out"]


def as_dataset(table: Table, sources: Sequence[str]) -> Dataset:
    """A table with labels as a data set."""
    assert table.labels is not None
    source = ", ".join(sources)
    return Dataset(
        source=source,
        files=tuple(sources) if len(sources) > 1 else (),
        X=table.X,
        y=table.labels,
        digest=table.digest,
        columns=table.columns,
        left_out=table.left_out,
        label_name=table.label_name,
        label_position=table.label_position,
        file_width=table.width,
        groups=table.groups,
        weights=table.weights,
        unseen=table.unseen,
        notices=(*table.notices, *_count_dropped(table, source)),
    )


def _open_arrays(path: Path, source: str) -> Dataset:
    if not path.is_dir():
        if path.suffix.lower() == ".npz":
            return numpy_files.open_npz(path, source)
        raise DataError(f"{source}: not a kind of file that can be read; give {TRAINING_KINDS}")
    if (path / "X.npy").exists() or (path / "y.npy").exists():
        return numpy_files.open_folder(path, source)
    if idx.holds_idx(path):
        return idx.open_folder(path, source)
    raise DataError(
        f"{source}: a folder with neither X.npy and y.npy nor IDX files; give {TRAINING_KINDS}"
    )
