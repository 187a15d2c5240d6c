"""Columns from which alone every label can be told, and none by chance."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpcli.arrays import Array
from mlpcli.data.columns import Column
from mlpcli.data.dataset import Dataset
from mlpcli.data.remarks import remarks
from mlpcli.data.telling import find_telling

N = 400
Y = np.arange(N) % 3
NOISE = np.random.default_rng(0).normal(size=N)


def told_by(values: Array, y: Array = Y, *, classes: bool = True) -> bool:
    """Whether y is told by these values, and by nothing beside them."""
    found = find_telling(np.column_stack([NOISE, values]), y, classes=classes)
    assert found in ([], [1])
    return bool(found)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.array([5, 1, 3])[Y], True),
        (np.array([5, 1, 3])[Y] + 10 * (np.arange(N) // 80), True),
        (Y + 0.4 * np.random.default_rng(1).random(N), True),
        (np.where(NOISE > 0, np.nan, Y), True),
        (np.where(np.arange(N) < 250, np.nan, Y), False),
        (np.where(np.arange(N) == 7, 0, Y), False),
        (Y % 2, False),
        (np.arange(N), False),
        (np.zeros(N), False),
    ],
    ids=["code", "codes", "stretches", "gaps", "few", "but one", "some", "index", "constant"],
)
def test_classes_are_told_by_values_that_repeat_or_by_stretches(values: Array, told: bool) -> None:
    assert told_by(values) == told
    assert told_by(values, np.array(["p", "q", "r"])[Y]) == told


def test_a_class_of_few_rows_may_be_at_an_end_by_chance() -> None:
    rng = np.random.default_rng(1)
    for rare in (1, 4, 5):
        y = np.zeros(N, int)
        y[np.argsort(rng.normal(size=N))[:rare]] = 1
        assert told_by(10 * y + rng.random(N), y) == (rare >= 5)


def test_numbers_are_told_by_what_rises_or_falls_with_them() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=N)
    assert told_by(np.exp(y), y, classes=False)
    assert told_by(-y, y, classes=False)
    assert not told_by(y + np.where(np.arange(N) == 9, 3, 0), y, classes=False)
    assert not told_by(np.zeros(N), y, classes=False)
    assert not told_by(NOISE[::-1], np.ones(N), classes=False)


def test_no_column_of_noise_tells_a_label() -> None:
    rng = np.random.default_rng(1)
    for size in (20, 30, 100):
        X = rng.integers(0, 3, (size, 400)).astype(float)
        assert find_telling(X, np.arange(size) % 2, classes=True) == []
        assert find_telling(rng.normal(size=(size, 400)), np.arange(size) % 2, classes=True) == []


def test_all_rows_are_asked_where_a_sample_has_no_objection() -> None:
    y = np.arange(30_000) % 2
    X = np.column_stack([y, y]).astype(float)
    X[1, 1] = 0
    assert find_telling(X, y, classes=True) == [0]


def test_a_line_tells_of_them() -> None:
    X = np.column_stack([NOISE, Y, Y])
    columns = tuple(Column(name, j) for j, name in enumerate(("a", "b", "c")))
    data = Dataset("t.csv", X, Y, "", columns=columns)
    assert remarks(data, "classification")[1:] == [
        "t.csv: every label can be told from b, c alone; if new rows will not have it, leave it "
        "out by --ignore"
    ]
    falling = replace(data, X=np.column_stack([NOISE, -Y, np.array([5, 1, 3])[Y]]))
    (line,) = remarks(falling, "regression")[1:]  # of which a code tells no order
    assert line.startswith("t.csv: every label can be told from b alone; ")
    assert remarks(replace(data, X=X[:, :1], columns=columns[:1]), "classification")[1:] == []


@pytest.mark.skipif(
    "MLP_TEST_TABLES" not in os.environ,
    reason="MLP_TEST_TABLES names no folder with orange_juice.csv",
)
def test_of_two_names_of_a_store_one_tells_the_other(mlp) -> None:
    table = Path(os.environ["MLP_TEST_TABLES"]) / "orange_juice.csv"
    said = mlp.ok("train", "--data", table, "--dry-run").err
    assert "orange_juice.csv: every label can be told from StoreID alone; " in said
    other = mlp.ok("train", "--data", table, "--label-column", "Purchase", "--dry-run").err
    assert "alone" not in other
