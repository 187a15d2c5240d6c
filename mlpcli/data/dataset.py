"""A data set as it was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace

import numpy as np

from mlpcli.arrays import WHOLE, Array, FileRows, distinct
from mlpcli.data.columns import (
    UNSEEN,
    Column,
    LabelColumn,
    Layout,
    LeftOut,
)
from mlpcli.errors import DataError
from mlpcli.records import record
from mlpcli.tasks.choice import choose_kind
from mlpcli.tasks.classification import Classification


@record
class Dataset:
    """Samples with their labels, as they were read.

    Attributes:
        source: what was given as `--data`: a name, or a path.
        X: (N, R) raw columns: uint8 pixels, float32 or float64; may be memory-mapped.
        y: (N,) labels as they were written: int64, float64, or text (dtype `<U…`).
        X_test, y_test: a test set that comes with the data, or None.
        digest: SHA-256 of the contents (`Dataset.digest` of a checkpoint is compared with it).
        digests, digests_test, digests_val: of each table that X, X_test and X_val are of.
        image_shape: (height, width) of an image's pixels in a row of X; None for a table.
        columns: what the columns of X are, of a table; None if all are numbers without names, as
            those of arrays and images are.
        left_out: the table's other columns, with the reasons.
        label: the column of the labels, of a table.
        file_width: how many columns the table has in all.
        files: what was given, if it is several files.
        beside: {"test": …, "val": …} the tables, if any were given, of X_test and X_val.
        groups: (N,) intp, rows of one group stay in one part of a split; None: each by itself.
        weights: (N,) float64, how much each row counts; None: all equally.
        file_rows, file_rows_test, file_rows_val: which rows of their files those of X, X_test and
            X_val are.
        X_val, y_val: rows for validation that come with the data, or None.
        weights_val: how much each of these counts, or None.
        unseen: cells with a category that the model that they were read for does not know.
        notices: what there is to say of the files.
        class_names: what the labels 0 … C-1 stand for, if they are only numbers.
        test_fraction: the share set aside for testing by default, if no test set comes with
            the data.
        standardise: whether --scale auto standardises it, if it holds no images.
        of_classes: whether a person said that its labels are classes.
    """

    source: str
    X: Array
    y: Array
    digest: str
    X_test: Array | None = None
    y_test: Array | None = None
    image_shape: tuple[int, int] | None = None
    columns: tuple[Column, ...] | None = None
    left_out: tuple[LeftOut, ...] = ()
    label: LabelColumn = field(default_factory=LabelColumn)
    file_width: int | None = None
    files: tuple[str, ...] = ()
    beside: Mapping[str, str] = field(default_factory=dict)
    groups: Array | None = None
    weights: Array | None = None
    file_rows: FileRows = WHOLE
    file_rows_test: FileRows = WHOLE
    file_rows_val: FileRows = WHOLE
    X_val: Array | None = None
    y_val: Array | None = None
    weights_val: Array | None = None
    digests: tuple[str, ...] = ()
    digests_test: tuple[str, ...] = ()
    digests_val: tuple[str, ...] = ()
    unseen: int = 0
    notices: tuple[str, ...] = ()
    class_names: tuple[str, ...] | None = None
    test_fraction: float = 0.2
    standardise: bool = True
    of_classes: bool = False

    @property
    def parts(self) -> tuple[tuple[Array | None, Array | None, tuple[str, ...]], ...]:
        """(X, y, digests) of the training rows, of the test set, and of rows for validation."""
        return (
            (self.X, self.y, self.digests),
            (self.X_test, self.y_test, self.digests_test),
            (self.X_val, self.y_val, self.digests_val),
        )

    @property
    def double(self) -> bool:
        """Whether X is float64."""
        return bool(self.X.dtype == np.float64)

    def kind(self, task: str, *, images: bool = False) -> str:
        """The kind of task for its labels, as asked for by `task` or "auto".

        Args:
            images: whether its columns are to be taken for pixels.
        """
        asked = Classification.kind if task == "auto" and self.of_classes else task
        table = self.image_shape is None and not images
        return choose_kind(asked, self.y, self.source, table=table)

    def layout(self, kind: str) -> Layout | None:
        """How other files are read like this table, for that task; None if it is none."""
        if self.columns is None:
            return None
        classes = None
        if kind == Classification.kind:
            classes = tuple(map(str, distinct(self.y).tolist()))
        return Layout(self.columns, self.label, self.file_width, classes, double=self.double)


def lacking_pixels(X: Array, file_rows: FileRows = WHOLE) -> Mapping[int, str]:
    """{row from 0: what is wrong} of images X (N, D) that lack a pixel, as a table may."""
    if X.dtype.kind != "f" or not np.isnan(X.min(initial=0)):
        return {}
    rows = np.flatnonzero(np.isnan(X).any(axis=1)).tolist()
    lacks = "lacks a pixel; fill it in, or drop the row"
    return {row: f"row {file_rows.name(row)} {lacks}" for row in rows}


def count_unseen(X: Array, columns: Sequence[Column]) -> int:
    """How many cells of raw columns X (N, R) have a category that the model does not know."""
    of = [i for i, column in enumerate(columns) if column.kind == "category"]
    return sum(int(np.count_nonzero(X[:, i] == UNSEEN)) for i in of)


def say_unseen(cells: int, source: str, model: str) -> list[str]:
    """A line on these cells, if there are any."""
    if not cells:
        return []
    what = "1 cell has a category" if cells == 1 else f"{cells:,} cells have categories"
    return [f"{source}: {what} that {model} does not know"]


def as_images(data: Dataset, shape: tuple[int, int] | None) -> Dataset:
    """The data set with its rows taken for images of a shape (height, width), if one is given.

    Raises:
        DataError: its rows have another number of columns, or something else than numbers.
    """
    if shape is None or shape == data.image_shape:
        return data
    flag, R = f"--image-shape {shape[0]},{shape[1]}", data.X.shape[1]
    if data.image_shape is not None:
        height, width = data.image_shape
        raise DataError(f"{data.source}: holds images of {height} × {width}; leave out {flag}")
    if shape[0] * shape[1] != R:
        raise DataError(
            f"{data.source}: its rows have {R:,} columns, {flag} is {shape[0] * shape[1]:,} pixels"
        )
    odd = [column.shown for column in data.columns or () if column.kind != "number"]
    if odd:
        raise DataError(
            f"{data.source}: {odd[0]} is not one of numbers, and pixels are numbers; "
            f"leave out {flag}"
        )
    if data.columns is not None and (lacking := lacking_pixels(data.X, data.file_rows)):
        raise DataError(f"{data.source}: {next(iter(lacking.values()))}, or leave out {flag}")
    return replace(data, image_shape=shape, columns=None)
