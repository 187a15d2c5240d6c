"""Rows dealt into parts: disjoint, covering, stratified; groups whole; none lost to training."""

from __future__ import annotations

import numpy as np
import pytest

from mlpcli.data.dataset import Dataset
from mlpcli.data.split import Fold, Splits, split
from mlpcli.errors import DataError


def data_of(y: object, groups: object = None) -> Dataset:
    labels = np.asarray(y)
    X = np.arange(len(labels), dtype=np.float32)[:, None]
    where = None if groups is None else np.asarray(groups)
    return Dataset("rows", X, labels, "digest", groups=where, test_fraction=0.2)


def parts_of(data: Dataset, of: int, **options: object) -> list[Splits]:
    return [split(data, fold=Fold(number, of), **options) for number in range(of)]  # type: ignore[arg-type]


@pytest.mark.parametrize("of", [2, 4, 10, 37])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_parts_are_disjoint_and_cover_all_rows_but_the_test_rows(of: int, task: str) -> None:
    y = np.random.default_rng(0).integers(3, size=200) + (0.5 if task == "regression" else 0)
    parts = parts_of(data_of(y), of, task=task)
    assert parts[0].test is not None
    test = parts[0].test.rows
    held_out = np.concatenate([part.val.rows for part in parts if part.val])
    assert np.array_equal(np.sort(np.concatenate([held_out, test])), np.arange(200))
    for part in parts:
        assert part.val is not None
        assert part.test is not None
        assert np.array_equal(part.test.rows, test)
        rows = np.concatenate([part.train.rows, part.val.rows, test])
        assert np.array_equal(np.sort(rows), np.arange(200))


def test_parts_differ_by_one_row_of_each_class_at_most() -> None:
    y = np.repeat([0, 1, 2], [50, 120, 7])
    parts = parts_of(data_of(y), 10, test_fraction=0)
    counts = np.array([np.bincount(y[p.val.rows], minlength=3) for p in parts if p.val])
    assert len(counts) == 10
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(counts.sum(axis=1)) <= 1


def test_the_seed_draws_the_parts_and_the_same_seed_the_same() -> None:
    data = data_of(np.arange(100) % 2)
    first, again, other = (split(data, fold=Fold(3, 10), seed=seed).val for seed in (1, 1, 2))
    assert first
    assert again
    assert other
    assert np.array_equal(first.rows, again.rows)
    assert not np.array_equal(first.rows, other.rows)


def test_the_only_row_of_a_class_is_never_held_out() -> None:
    y = np.array([0] * 30 + [1] * 30 + [2])
    for part in parts_of(data_of(y), 10, test_fraction=0):
        assert 60 in part.train.rows
        assert part.task.outputs == 3


def test_groups_stay_together_and_parts_are_about_as_large() -> None:
    groups = np.random.default_rng(1).integers(40, size=400)
    parts = parts_of(data_of(np.arange(400) % 2, groups), 10)
    sizes = []
    for part in parts:
        assert part.val is not None
        assert not set(groups[part.val.rows]) & set(groups[part.train.rows])
        sizes.append(len(part.val))
    assert max(sizes) <= 1.5 * min(sizes)


def test_the_only_group_of_a_class_is_never_held_out() -> None:
    groups = np.arange(120) // 6
    y = np.where(groups == 5, 2, np.arange(120) % 2)
    for part in parts_of(data_of(y, groups), 10, test_fraction=0):
        assert part.task.outputs == 3
        assert set(np.flatnonzero(groups == 5)) <= set(part.train.rows)


def test_too_few_rows_or_groups_are_told() -> None:
    with pytest.raises(DataError, match="rows: has too few rows to hold some out for every net"):
        split(data_of([0, 0, 1, 1]), fold=Fold(5, 10), test_fraction=0)
    with pytest.raises(DataError, match="has too few groups"):
        split(data_of([0, 1] * 20, np.arange(40) % 3), fold=Fold(3, 10), test_fraction=0)


def test_a_fold_that_scores_is_tested_on_and_validation_rows_are_drawn_from_the_rest() -> None:
    data = data_of(np.arange(200) % 2)
    parts = [split(data, fold=Fold(k, 5, scores=True), val_fraction=0.25) for k in range(5)]
    tested = np.concatenate([part.test.rows for part in parts if part.test])
    outer = split(data).test
    assert outer is not None
    assert np.array_equal(np.sort(np.concatenate([tested, outer.rows])), np.arange(200))
    for part in parts:
        assert part.test
        assert part.val
        assert (len(part.train), len(part.val), len(part.test)) == (96, 32, 32)
        rows = np.concatenate([part.train.rows, part.val.rows, part.test.rows])
        assert len(np.unique(rows)) == 160
