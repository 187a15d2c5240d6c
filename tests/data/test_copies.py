"""Rows that repeat others are told of, unless there are few of them or chance makes as many."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpcli.data.columns import Column
from mlpcli.data.copies import count_copies
from mlpcli.data.dataset import Dataset
from mlpcli.data.remarks import remarks

SOME = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_every_row_but_the_first_of_its_like_is_a_copy(dtype: type) -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 200, (400, 5)).astype(dtype)[rng.integers(0, 400, 5000)]
    alike = Counter(map(tuple, X.tolist()))
    assert count_copies([X]) == 5000 - len(alike) > 4500
    assert count_copies([X[:3000], X[3000:]]) == 5000 - len(alike)


def test_gaps_are_alike_and_so_are_both_zeros() -> None:
    X = SOME.copy()
    X[:, 1] = np.nan
    X[:20, 2] = 0.0
    again = X.copy()
    again[:20, 2] = -0.0
    assert count_copies([np.concatenate([X, again])]) == 300


@pytest.mark.parametrize("count", [1, 10, 15])
def test_a_few_copies_are_none(count: int) -> None:
    assert count_copies([np.concatenate([SOME, SOME[:count]])]) == 0


def test_what_chance_makes_of_columns_with_few_values_is_none() -> None:
    rng = np.random.default_rng(0)
    few_values = rng.integers(0, 3, (1000, 4)).astype(np.float32)
    assert len(np.unique(few_values, axis=0)) == 81
    assert count_copies([few_values]) == 0
    wide = np.hstack([few_values, rng.normal(size=(1000, 1))])
    assert count_copies([np.concatenate([wide, wide])]) == 1000


def test_one_line_tells_of_them_but_not_of_groups_or_arrays() -> None:
    columns = tuple(Column(name, j) for j, name in enumerate("abc"))
    said = (
        "t.csv: 300 of 600 rows repeat the inputs of another; a row that is held out is scored "
        "too well if its copy is trained on: drop the copies, or keep them together by --group"
    )
    y = np.arange(300) % 2
    twice, labels = np.concatenate([SOME, SOME]), np.concatenate([y, y])
    table = Dataset("t.csv", twice, labels, "", columns=columns)
    assert remarks(table, "classification")[1:] == [said]
    assert (
        remarks(replace(table, X=SOME, y=y, X_test=SOME[:0], y_test=y[:0]), "classification")[1:]
        == []
    )
    assert remarks(replace(table, X=SOME, y=y, X_test=SOME, y_test=y), "classification")[1:] == [
        said
    ]
    assert remarks(replace(table, groups=np.arange(600) % 300), "classification")[1:] == []
    assert (
        remarks(replace(table, columns=None), "classification") == []
    )  # it may be larger than memory


def test_training_says_so(mlp) -> None:
    rows = [f"{a:.4f},{b:.4f},{c:.4f},{'xy'[i % 2]}" for i, (a, b, c) in enumerate(SOME.tolist())]
    Path("twice.csv").write_text("\n".join(["a,b,c,kind", *rows, *rows]) + "\n")
    said = mlp.ok("train", "--data", "twice.csv", "--dry-run").err
    assert "\ntwice.csv: 300 of 600 rows repeat the inputs of another; " in said
    Path("once.csv").write_text("\n".join(["a,b,c,kind", *rows]) + "\n")
    assert "repeat" not in mlp.ok("train", "--data", "once.csv", "--dry-run").err
