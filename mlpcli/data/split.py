"""How a data set is split into training, validation and test rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np

from mlpcli.arrays import WHOLE, Array, FileRows, distinct
from mlpcli.data.dataset import Dataset
from mlpcli.errors import DataError
from mlpcli.records import record
from mlpcli.schema import Bounds, Count
from mlpcli.tasks.choice import TASKS
from mlpcli.tasks.classification import Classification, whole_labels
from mlpcli.tasks.task import Task

# Drawn without regard to --seed: runs with different seeds never train on each other's test rows.
TEST_SPLIT_SEED = 20_261_123


@record
class Split:
    """Some rows of a data set, with labels as class indices.

    Attributes:
        name: "train", "val" or "test".
        X: (M, D) the array that the rows are in; never copied.
        y: (M,) targets as the task encodes them; meaningless in rows of other splits.
        rows: (N,) intp, the rows of X that are of this split.
        weights: (M,) float64, how much each row counts; None: all equally.
        file_rows: which rows of their files those of X are.
    """

    name: str
    X: Array
    y: Array
    rows: Array
    weights: Array | None = None
    file_rows: FileRows = WHOLE

    def __len__(self) -> int:
        return len(self.rows)

    def row_name(self, place: int) -> str:
        """What to call the row of its file, counted from 1 below a header, at a place in `rows`."""
        return self.file_rows.name(int(self.rows[place]))


@record
class Splits:
    """The three parts of a data set, and the task that the training labels call for.

    `val` and `test` are None where nothing is held out.
    """

    train: Split
    val: Split | None
    test: Split | None
    task: Task


@record
class Fold:
    """One of the parts that the rows are dealt into: member `number` of a run holds it out.

    Attributes:
        number: which one, counted from 0.
        of: how many there are.
        scores: it is held out for testing, and the validation rows are drawn from the others.
    """

    number: Count
    of: Annotated[int, Bounds(1, 1 << 20)]
    scores: bool = False


def split(
    data: Dataset,
    *,
    task: str = "auto",
    val_fraction: float = 0.1,
    test_fraction: float | None = None,
    seed: int = 0,
    fold: Fold | None = None,
) -> Splits:
    """Split a data set: its own test set or a fixed fraction, then validation drawn by `seed`.

    Both draws are stratified: each class, or tenth of the targets, gives its share, and keeps at
    least one row for training. If the rows have groups, groups are drawn instead.

    Args:
        task: "auto", "classification" or "regression".
        fold: the rows to hold out for validation, or for testing, instead of drawn ones.

    Raises:
        DataError: the training rows have only one label, or a held-out row has one that they do
            not have; or there are fewer rows, or groups, than parts.
    """
    kind = TASKS[data.kind(task)]
    if kind is Classification:
        data = replace(data, y=whole_labels(data.y, data.source))
    train_rows, val_rows, test_rows = _draw(
        data, kind, fold, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed
    )
    if len(train_rows) == 0:
        raise DataError(
            f"{data.source}: no rows to train on; lower --val-fraction or --test-fraction"
        )
    learned = kind.learn(data.y[train_rows], data.source, data.label.shown)
    y = learned.encode(data.y)
    if data.groups is not None:  # whole groups may take a class with them
        learned.refuse_unknown(y, data.y, f"{data.source}: a held-out group", data.file_rows)
    test, val = _part("test", data, y, test_rows), _part("val", data, y, val_rows)
    if test is None and data.X_test is not None and data.y_test is not None:
        where = f"{data.source}: the test set"
        test = _apart("test", learned, data.X_test, data.y_test, where, data.file_rows_test)
    if data.X_val is not None and data.y_val is not None:
        where = f"{data.source}: the validation set"
        val = _apart("val", learned, data.X_val, data.y_val, where, data.file_rows_val)
    train = _part("train", data, y, train_rows)
    assert train is not None
    return Splits(train, val, test, learned)


def _draw(
    data: Dataset,
    kind: type[Task],
    fold: Fold | None,
    *,
    val_fraction: float,
    test_fraction: float | None,
    seed: int,
) -> tuple[Array, Array | None, Array | None]:
    """(training, validation, testing) rows; None for a part that comes with the data, or is not."""
    strata = kind.strata(data.y)
    hold_out = _hold_out if data.groups is None else _hold_out_groups
    drawn_by = strata if data.groups is None else data.groups
    rest, test = np.arange(len(data.y)), None
    if data.X_test is None:
        fraction = data.test_fraction if test_fraction is None else test_fraction
        rest, test = hold_out(rest, drawn_by, fraction, TEST_SPLIT_SEED)
    if fold is not None and (fold.scores or data.X_val is None):
        part = _deal(rest, strata, data.groups, fold.of, kind is Classification, seed)
        if fold.number not in part:
            what = "rows" if data.groups is None else "groups"
            raise DataError(
                f"{data.source}: has too few {what} to hold some out for every network; "
                "lower --members or --folds"
            )
        rest, held_out = rest[part != fold.number], rest[part == fold.number]
        if not fold.scores:
            return rest, held_out, test
        test = held_out
    if data.X_val is not None:
        return rest, None, test
    return *hold_out(rest, drawn_by, val_fraction, seed), test


def _apart(
    name: str, task: Task, X: Array, labels: Array, where: str, file_rows: FileRows
) -> Split:
    """A part that comes with the data, apart from the other rows."""
    y = task.encode(labels)
    task.refuse_unknown(y, labels, where, file_rows)
    return Split(name, X, y, np.arange(len(y)), file_rows=file_rows)


def _part(name: str, data: Dataset, y: Array, rows: Array | None) -> Split | None:
    if rows is None or not len(rows):
        return None
    return Split(name, data.X, y, rows, file_rows=data.file_rows)


def _deal(
    rows: Array, strata: Array, groups: Array | None, count: int, keep_alone: bool, seed: int
) -> Array:
    """(N,) which of `count` parts each of `rows` is in, -1 if it is in none.

    Each stratum is dealt out in turn, so that parts differ by one of its rows at most; or whole
    groups, the largest first, each to the part that has the fewest rows. With `keep_alone`, the
    only row, or group, of a stratum is in no part, for some network would never see the like.
    """
    codes = strata[rows].astype(np.intp)
    alone = np.bincount(codes)[codes] == 1
    if groups is not None:
        units = np.unique(groups[rows], return_inverse=True)[1]
        of, where = np.divmod(distinct(codes * len(rows) + units), len(rows))
        alone = np.isin(units, where[np.bincount(of)[of] == 1])
    dealt = np.flatnonzero(~alone) if keep_alone else np.arange(len(rows))
    shuffled = np.random.default_rng(seed).permutation(dealt)
    part = np.full(len(rows), -1)
    if groups is None:
        order = shuffled[np.argsort(codes[shuffled], kind="stable")]
        part[order] = np.arange(len(order)) % count
        return part
    names, first, sizes = np.unique(units[shuffled], return_index=True, return_counts=True)
    loads, part_of = np.zeros(count, np.intp), np.full(len(rows), -1)
    for k in np.lexsort((first, -sizes)).tolist():
        part_of[names[k]] = np.argmin(loads)
        loads[part_of[names[k]]] += sizes[k]
    return part_of[units]


def _hold_out_groups(
    rows: Array, groups: Array, fraction: float, seed: int
) -> tuple[Array, Array | None]:
    """As `_hold_out`, of whole groups: in a drawn order, each if it brings the share nearer."""
    if fraction <= 0:
        return rows, None
    names, sizes = np.unique(groups[rows], return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    wanted, taken, held_out = fraction * len(rows), 0, []
    for k in order.tolist():
        if abs(taken + sizes[k] - wanted) < abs(taken - wanted):
            taken += int(sizes[k])
            held_out.append(names[k])
    out = np.isin(groups[rows], held_out)
    return rows[~out], rows[out]


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
