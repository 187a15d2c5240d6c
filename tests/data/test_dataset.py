"""Splits: stratified, disjoint, and a test part that no seed moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.arrays import Array
from mlpcli.data.columns import LabelColumn
from mlpcli.data.dataset import Dataset
from mlpcli.data.split import Split, Splits, split
from mlpcli.errors import DataError
from mlpcli.tasks.classification import Classification, class_indices


def data_of(y: Array, y_test: Array | None = None, test_fraction: float = 0.2) -> Dataset:
    X_test = None if y_test is None else np.zeros((len(y_test), 2), np.float32)
    X = np.zeros((len(y), 2), np.float32)
    return Dataset("points.csv", X, y, "", X_test, y_test, test_fraction=test_fraction)


def classes_of(parts: Splits) -> Array:
    assert isinstance(parts.task, Classification)
    return parts.task.classes


def rows_of(part: Split | None) -> list[int]:
    return [] if part is None else part.rows.tolist()


def test_every_row_is_in_one_part_and_every_class_gives_its_share() -> None:
    y = np.repeat([7, 3, 5], [100, 50, 10])
    parts = split(data_of(y), val_fraction=0.1)
    rows = rows_of(parts.train) + rows_of(parts.val) + rows_of(parts.test)
    assert sorted(rows) == list(range(160))
    assert classes_of(parts).tolist() == [3, 5, 7]
    assert parts.test is not None
    assert parts.val is not None
    assert np.bincount(parts.test.y[parts.test.rows]).tolist() == [10, 2, 20]
    assert np.bincount(parts.val.y[parts.val.rows]).tolist() == [4, 1, 8]
    assert len(parts.train) == 160 - 32 - 13


def test_the_seed_moves_the_validation_rows_and_not_the_test_rows() -> None:
    data = data_of(np.arange(200) % 4)
    first, second, again = split(data, seed=0), split(data, seed=1), split(data, seed=0)
    assert rows_of(first.test) == rows_of(second.test)
    assert rows_of(first.val) != rows_of(second.val)
    assert rows_of(first.val) == rows_of(again.val)


def test_a_fraction_given_replaces_the_data_sets_own() -> None:
    data = data_of(np.arange(100) % 2, test_fraction=0.0)
    assert split(data).test is None
    assert len(rows_of(split(data, test_fraction=0.5).test)) == 50
    assert split(data, val_fraction=0).val is None


def test_a_test_set_that_comes_with_the_data_is_the_test_set() -> None:
    data = data_of(np.array(["b", "a"] * 10), np.array(["a", "b", "a"]))
    parts = split(data, test_fraction=0.5)
    assert parts.test is not None
    assert parts.test.X is data.X_test
    assert parts.test.y.tolist() == [0, 1, 0]
    assert len(parts.train) + len(rows_of(parts.val)) == 20


def test_a_test_set_may_lack_classes_but_not_have_others() -> None:
    assert split(data_of(np.arange(20) % 2, np.array([1]))).test is not None
    with pytest.raises(DataError) as refused:
        split(data_of(np.arange(20) % 2, np.array([0, 1, 9])))
    assert str(refused.value) == (
        "points.csv: the test set has the label 9 (sample 3), which no training row has; "
        "train on data with every class, or remove those rows"
    )


def test_one_class_only_is_refused() -> None:
    with pytest.raises(DataError) as refused:
        split(data_of(np.array(["cat"] * 5)))
    assert str(refused.value) == (
        "points.csv: every training row has the label cat; a classifier needs at least two classes"
    )


@pytest.mark.parametrize(("name", "shown"), [("kind", "kind"), (None, "column 4")])
@pytest.mark.parametrize("labels", [np.array(["cat"] * 5), np.array([2.5] * 5)])
def test_equal_labels_of_a_table_may_be_of_the_wrong_column(labels, name, shown) -> None:
    data = replace(data_of(labels), label=LabelColumn(name, 3))
    task = "auto" if labels.dtype.kind == "U" else "regression"
    with pytest.raises(DataError, match=f"; give another --label-column than {shown}$"):
        split(data, task=task)


def test_no_rows_are_refused() -> None:
    with pytest.raises(DataError) as refused:
        split(data_of(np.zeros(0, np.int64)))
    assert str(refused.value) == (
        "points.csv: no rows to train on; lower --val-fraction or --test-fraction"
    )


def test_labels_of_rows_are_class_indices() -> None:
    y = np.array(["dog", "cat", "dog", "eel"] * 5)
    parts = split(data_of(y))
    for part in (parts.train, parts.val, parts.test):
        if part is not None:
            assert (classes_of(parts)[part.y[part.rows]] == y[part.rows]).all()


@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=60).filter(lambda y: len(set(y)) > 1),
    st.floats(0, 0.9),
    st.floats(0, 0.9),
    st.integers(0, 3),
)
def test_parts_are_disjoint_whole_and_leave_every_class_to_train_on(
    y: list[int], val_fraction: float, test_fraction: float, seed: int
) -> None:
    parts = split(
        data_of(np.array(y)), val_fraction=val_fraction, test_fraction=test_fraction, seed=seed
    )
    rows = rows_of(parts.train) + rows_of(parts.val) + rows_of(parts.test)
    assert sorted(rows) == list(range(len(y)))
    assert classes_of(parts).tolist() == sorted(set(y))
    assert set(parts.train.y[parts.train.rows].tolist()) == set(range(len(classes_of(parts))))


@pytest.mark.parametrize(
    ("labels", "classes", "indices"),
    [
        ([3, 9, 4], [3, 4], [0, -1, 1]),
        (["b", "c", "a"], ["a", "b"], [1, -1, 0]),
        (["10", "9", "x"], [9, 10], [1, 0, -1]),
        ([10, 9], ["9", "10"], [1, 0]),
        ([99], [1, 2], [-1]),
        ([0.0, 1.0, 0.5, -3.0], [0, 1], [0, 1, -1, -1]),
    ],
)
def test_class_indices(labels: list[object], classes: list[object], indices: list[int]) -> None:
    found = class_indices(np.array(labels), np.array(classes))
    assert found.dtype == np.intp
    assert found.tolist() == indices


def test_text_classes_are_found_in_whatever_order_they_sort() -> None:
    found = class_indices(np.array([2, 10]), np.unique(np.array(["2", "10"])))
    assert found.tolist() == [1, 0]


def test_labels_that_are_all_known_pass() -> None:
    labels = np.array(["a", "b"])
    Classification(labels).refuse_unknown(np.array([0, 1]), labels, "rows.csv")
