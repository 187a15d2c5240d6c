"""Parquet files are tables like those of text."""

from __future__ import annotations

import builtins
import datetime
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.data.columns import Column, TableOptions
from mlpcli.data.formats.rows import open_paths
from mlpcli.errors import DataError, MlpError

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

DAYS = [datetime.date(2020, 1, 1), None, datetime.date(1969, 12, 31)]
MOMENTS = [datetime.datetime(2020, 1, 1, 6), datetime.datetime(2020, 1, 2), None]


def write(path: Path, columns: dict[str, Any]) -> str:
    parquet.write_table(pa.table(columns), path)
    return str(path)


def test_columns_of_every_type(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.parquet",
        {
            "n": [1, 2, 3],
            "whole": pa.array([5, None, 9], pa.int8()),
            "half": pa.array([0.5, 1.5, None], pa.float32()),
            "exact": [decimal.Decimal("1.25"), None, decimal.Decimal("-3")],
            "truth": [True, False, None],
            "text": ["a", None, "a"],
            "words": pa.array(["b", "c", "b"]).dictionary_encode(),
            "day": DAYS,
            "moment": pa.array(MOMENTS, pa.timestamp("ns")),
            "zoned": pa.array(MOMENTS, pa.timestamp("us", "Europe/Berlin")),
            "kind": ["x", "y", "x"],
        },
    )
    data = open_paths([path])
    assert data.columns == (
        Column("whole", 1),
        Column("half", 2),
        Column("exact", 3),
        Column("truth", 4, "category", ("False", "True")),
        Column("text", 5, "category", ("a",)),
        Column("words", 6, "category", ("b", "c")),
        Column("day", 7, "date"),
        Column("moment", 8, "date"),
        Column("zoned", 9, "date"),
    )
    day, moment = 18262.0, 18262.25
    expected = [
        [5, 0.5, 1.25, 1, 0, 0, day, moment, moment],
        [np.nan, 1.5, np.nan, 0, np.nan, 1, np.nan, day + 1, day + 1],
        [9, np.nan, -3, np.nan, 0, 0, -1, np.nan, np.nan],
    ]
    np.testing.assert_array_equal(data.X, expected)
    assert data.left_out[0].reason == "counts the rows"
    assert data.y.tolist() == ["x", "y", "x"]


def test_it_is_the_table_that_its_text_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns = {
        "x": rng.standard_normal(300).round(3).tolist(),
        "c": [f"c{i}" for i in rng.integers(0, 9, 300)],
        "y": rng.integers(0, 3, 300).tolist(),
    }
    text = ["x,c,y", *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    (tmp_path / "t.csv").write_text("\n".join(text))
    one = open_paths([str(tmp_path / "t.csv")])
    two = open_paths([write(tmp_path / "t.parquet", columns)])
    np.testing.assert_array_equal(one.X, two.X)
    np.testing.assert_array_equal(one.y, two.y)
    assert one.columns == two.columns
    both = open_paths([str(tmp_path / "t.csv"), str(tmp_path / "t.parquet")])
    np.testing.assert_array_equal(both.X, np.concatenate([one.X, two.X]))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"a": [[1], [2]], "y": ["p", "q"]},
            "column 'a' is of list<.*>, not of plain values; leave",
        ),
        (
            {"a": [1.0, 1e39], "y": ["p", "q"]},
            r"row 2, column 'a': 1e\+39 is not finite in float32",
        ),
        ({"a": [1.0, float("inf")], "y": ["p", "q"]}, "row 2, column 'a': inf is not finite"),
        ({"a": pa.array([], pa.int64()), "y": pa.array([], pa.string())}, "has no rows"),
        ({"a": [*["1"] * 9, "z"], "y": ["p", "q"] * 5}, "row 10, column 'a': 'z' is not a number"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_paths([write(tmp_path / "t.parquet", columns)], TableOptions(only=("a",)))


def test_a_damaged_file_and_a_missing_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="not a Parquet file, or a damaged one"):
        open_paths([str(tmp_path / "t.parquet")])
    real = builtins.__import__

    def without(name: str, *more: Any, **named: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MlpError, match=r"reading Parquet needs pyarrow; install it by: .*-m pip"):
        open_paths([str(tmp_path / "t.parquet")])
