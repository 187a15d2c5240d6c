"""A data set as it was read."""

from __future__ import annotations

from dataclasses import dataclass

from mlpcli.arrays import Array
from mlpcli.data.columns import Column, LeftOut


@dataclass(frozen=True)
class Dataset:
    """Samples with their labels, as they were read.

    Attributes:
        source: what was given as `--data`: a name, or a path.
        X: (N, R) raw columns: uint8 pixels, float32 or float64; may be memory-mapped.
        y: (N,) labels as they were written: int64, or text (dtype `<U…`).
        X_test, y_test: a test set that comes with the data, or None.
        digest: SHA-256 of the contents (`Dataset.digest` of a checkpoint is compared with it).
        image_shape: (height, width) of an image's pixels in a row of X; None for a table.
        columns: what the columns of X are, of a table; None if all are numbers without names, as
            those of arrays and images are.
        left_out: the table's other columns, with the reasons.
        label_name: the name of the label's column, if a header gave it.
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
    class_names: tuple[str, ...] | None = None
    test_fraction: float = 0.2
    standardise: bool = True
