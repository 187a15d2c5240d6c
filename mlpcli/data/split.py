"""How a data set is parted into training, validation and test rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.dataset import Dataset
from mlpcli.errors import DataError
from mlpcli.tasks.classification import class_indices, refuse_unseen

# Drawn without regard to --seed: runs with different seeds never train on each other's test rows.
TEST_SPLIT_SEED = 20_261_123


@dataclass(frozen=True)
class Split:
    """Some rows of a data set, with labels as class indices.

    Attributes:
        name: "train", "val" or "test".
        X: (M, D) the array that the rows are in; never copied.
        y: (M,) intp class indices in [0, C), -1 in rows that are not of this split.
        rows: (N,) intp, the rows of X that are of this split.
    """

    name: str
    X: Array
    y: Array
    rows: Array

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Splits:
    """A data set's three parts, and the classes that its training part has.

    `val` and `test` are None where nothing is held out. `classes` are the labels of the training
    part, sorted; the position is the class index.
    """

    train: Split
    val: Split | None
    test: Split | None
    classes: Array


def split(
    data: Dataset, *, val_fraction: float = 0.1, test_fraction: float | None = None, seed: int = 0
) -> Splits:
    """Part a data set: its own test set or a fixed fraction, then validation drawn by `seed`.

    Both draws are stratified: each class gives its share, and keeps at least one row for training.

    Raises:
        DataError: fewer than two classes are left to train on, or a held-out row has a label that
            the training part does not have.
    """
    N = len(data.y)
    labels, codes = _encoded(data.y)
    rest = np.arange(N)
    test_rows: Array | None = None
    if data.X_test is None:
        fraction = data.test_fraction if test_fraction is None else test_fraction
        rest, test_rows = _hold_out(rest, codes, fraction, TEST_SPLIT_SEED)
    train_rows, val_rows = _hold_out(rest, codes, val_fraction, seed)
    if len(train_rows) == 0:
        raise DataError(
            f"{data.source}: no rows to train on; lower --val-fraction or --test-fraction"
        )
    present = np.bincount(codes[train_rows], minlength=len(labels)) > 0
    classes = labels[present]
    if len(classes) < 2:
        raise DataError(
            f"{data.source}: every training row has the label {classes[0]}; "
            "a classifier needs at least two classes"
        )
    y = np.where(present, np.cumsum(present) - 1, -1)[codes]
    test: Split | None
    if data.X_test is not None and data.y_test is not None:
        y_test = class_indices(data.y_test, classes)
        refuse_unseen(y_test, data.y_test, f"{data.source}: the test set")
        test = Split("test", data.X_test, y_test, np.arange(len(y_test)))
    else:
        test = _part("test", data, y, test_rows)
    train = _part("train", data, y, train_rows)
    assert train is not None
    return Splits(train, _part("val", data, y, val_rows), test, classes)


def _encoded(labels: Array) -> tuple[Array, Array]:
    """The labels that there are, sorted, and for each row which of them it has."""
    if labels.dtype.kind == "i" and len(labels):
        low, span = int(labels.min()), int(labels.max()) - int(labels.min()) + 1
        if span <= 1 << 16:  # no sorting: a table may have millions of rows
            offsets = (labels - low).astype(np.uint16)
            there = np.flatnonzero(np.bincount(offsets, minlength=span))
            codes = np.zeros(span, np.uint16)
            codes[there] = np.arange(len(there))
            return there + low, codes[offsets]
    names, positions = np.unique(labels, return_inverse=True)
    return names, positions.astype(np.uint16 if len(names) <= 1 << 16 else np.intp)


def _part(name: str, data: Dataset, y: Array, rows: Array | None) -> Split | None:
    return Split(name, data.X, y, rows) if rows is not None and len(rows) else None


def _hold_out(rows: Array, codes: Array, fraction: float, seed: int) -> tuple[Array, Array | None]:
    """(kept, held out) of `rows`, both ascending; a stratified `fraction` is held out."""
    if fraction <= 0:
        return rows, None
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(rows)
    by_class = np.argsort(codes[shuffled], kind="stable")  # positions in `shuffled`
    counts = np.bincount(codes[rows])
    taken = np.floor(counts * fraction).astype(np.intp)
    missing = round(len(rows) * fraction) - int(taken.sum())  # go to the largest remainders
    taken[np.argsort(taken - counts * fraction, kind="stable")[: max(missing, 0)]] += 1
    taken = np.minimum(taken, np.maximum(counts - 1, 0))
    first = np.cumsum(counts) - counts  # the position in `by_class` where each class begins
    held_out = np.zeros(len(codes), bool)
    for start, count in zip(first.tolist(), taken.tolist(), strict=True):
        held_out[shuffled[by_class[start : start + count]]] = True
    return rows[~held_out[rows]], rows[held_out[rows]]
