"""A data set as it was read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.columns import Column, Layout, LeftOut, describe_columns


@dataclass(frozen=True)
class Dataset:
    """Samples with their labels, as they were read.

    Attributes:
        source: what was given as `--data`: a name, or a path.
        X: (N, R) raw columns: uint8 pixels, float32 or float64; may be memory-mapped.
        y: (N,) labels as they were written: int64, float64, or text (dtype `<U…`).
        X_test, y_test: a test set that comes with the data, or None.
        digest: SHA-256 of the contents (`Dataset.digest` of a checkpoint is compared with it).
        image_shape: (height, width) of an image's pixels in a row of X; None for a table.
        columns: what the columns of X are, of a table; None if all are numbers without names, as
            those of arrays and images are.
        left_out: the table's other columns, with the reasons.
        label_name, label_position: of the label's column, of a table; a header gave the name.
        file_width: how many columns the table has in all.
        files: what was given, if it is several files.
        groups: (N,) intp, rows of one group stay in one part of a split; None: each by itself.
        weights: (N,) float64, how much each row counts; None: all equally.
        X_val, y_val: rows for validation that come with the data, or None.
        unseen: cells with a category that the model that they were read for does not know.
        notices: what there is to say of the files.
        class_names: what the labels 0 … C-1 stand for, if they are only numbers.
        test_fraction: the share set aside for testing by default, if no test set comes with
            the data.
        standardise: whether --scale auto standardises it, if it holds no images.
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
    label_name: str | None = None
    label_position: int | None = None
    file_width: int | None = None
    files: tuple[str, ...] = ()
    groups: Array | None = None
    weights: Array | None = None
    X_val: Array | None = None
    y_val: Array | None = None
    unseen: int = 0
    notices: tuple[str, ...] = ()
    class_names: tuple[str, ...] | None = None
    test_fraction: float = 0.2
    standardise: bool = True

    def remarks(self) -> list[str]:
        """What a person should know of how a table was read, a line each."""
        said = list(self.notices)
        if self.columns is not None:
            said.insert(0, f"columns: {describe_columns(self.columns, self.left_out)}")
        return said

    @property
    def layout(self) -> Layout | None:
        """How other files are read like this table; None if it is none."""
        if self.columns is None:
            return None
        classes = map(str, np.unique(self.y).tolist()) if self.y.dtype.kind != "f" else None
        return Layout(
            self.columns,
            self.label_name,
            self.label_position,
            self.file_width,
            None if classes is None else tuple(classes),
        )
