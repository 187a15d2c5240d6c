"""What is said of data before they are trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import Array
from mlpcli.data.columns import Column, LabelColumn
from mlpcli.data.dataset import Dataset
from mlpcli.data.remarks import find_sentinel, remarks


def table(X: Array, y: Array, **about: Any) -> Dataset:
    return Dataset("points.csv", X, y, "", **about)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["Yes", "no", "yes", "NO"], "'NO' and 'no' (kind)"),
        (["full time", "part", "full  time"], "'full  time' and 'full time' (kind)"),
        (["Zu\u0308rich", "Bern", "Zürich"], "'Zu\u0308rich' and 'Zürich' (kind)"),
        (["strasse", "Straße"], "'Straße' and 'strasse' (kind)"),
        (["m", "n", "rn"], None),
        (["1", "1.0"], None),
    ],
)
def test_texts_that_differ_only_in_case_or_spaces_are_told(texts: list[str], said: str) -> None:
    data = table(np.zeros((9 * len(texts), 1)), np.array(texts * 9), label=LabelColumn("kind"))
    rest = "differ only in case or spaces, and are kept apart; write alike what is the same"
    assert remarks(data, "classification") == ([f"points.csv: {said} {rest}"] if said else [])


def test_categories_are_told_of_with_the_classes_that_differ_so() -> None:
    columns = tuple(
        Column(f"c{j}", j, "category", ("Blue", "blue", "red") if j else ("red",)) for j in range(6)
    )
    data = table(np.zeros((18, 6)), np.array(["A", "a"] * 9), columns=columns)
    pair = "'Blue' and 'blue'"
    assert remarks(data, "classification")[1] == (
        f"points.csv: {pair} (c1), {pair} (c2), {pair} (c3), {pair} (c4), {pair} (c5) and 1 more "
        "differ only in case or spaces, and are kept apart; write alike what is the same"
    )
    assert (
        remarks(replace(data, y=np.arange(18.0) ** 2, columns=columns[:1]), "regression")[1:] == []
    )


@pytest.mark.parametrize(
    ("value", "count", "found"),
    [(-999, 5, True), (9999, 3, True), (-999, 2, False), (-12, 5, False), (12, 9, False)],
)
def test_a_value_far_from_all_others_that_repeats_may_stand_for_a_gap(
    value: float, count: int, found: bool
) -> None:
    values = np.random.default_rng(0).normal(size=200)
    values[7:17] = np.nan
    values[20 : 20 + count] = value
    assert np.nanmax(values) - np.nanmin(values[values != value]) > 4
    assert find_sentinel(values) == (value if found else None)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], None),
        ([np.nan] * 9, None),
        ([5.0] * 9, None),
        ([0, 1] * 50 + [100] * 9, None),
        ([1.0] * 90 + [*range(2000, 2020)], 1.0),
    ],
    ids=["none", "gaps", "constant", "few others", "few rows of others"],
)
def test_it_is_far_from_several_other_values(values: list[float], found: float | None) -> None:
    assert find_sentinel(np.array(values, float)) == found


def test_a_line_tells_of_values_that_may_stand_for_gaps() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    X[::20, 0], X[::40, 2], X[::20, 3] = -999, 99_999.5, -999
    columns = tuple(
        Column(name, j, "date" if name == "d" else "number") for j, name in enumerate("abcd")
    )
    y = np.arange(400) % 2
    assert remarks(table(X, y, columns=columns), "classification")[1:] == [
        "points.csv: a is -999 in 20 rows, c is 99999.5 in 10 rows, far from all other values; if "
        "that stands for a gap, leave these cells empty"
    ]
    y = rng.normal(50, 9, 400).round(1)
    y[::100] = -1
    numbers = table(X[:, 1:2], y, columns=columns[1:2], label=LabelColumn("price"))
    assert remarks(numbers, "regression")[1:] == []  # 0 to 80, say: it may be a price
    y[::100] = -999
    (line,) = remarks(numbers, "regression")[1:]
    assert line.startswith("points.csv: price is -999 in 4 rows, far from all other values")


@pytest.mark.parametrize(
    ("y", "kind", "said"),
    [
        (np.arange(40).astype(str), "classification", "has 40 classes in 40 rows"),
        (np.repeat(np.arange(26), 2)[:40], "classification", None),
        (np.repeat(np.arange(19), 2)[:29].astype(str), "classification", None),
        (np.arange(29), "classification", None),
        (np.sort(np.arange(4000) % 2001), "classification", "has 2,001 classes in 4,000 rows"),
        (np.sort(np.arange(4000) % 2000), "classification", None),
        (np.arange(1, 41), "regression", "counts the rows"),
        (np.arange(1, 41) ** 2, "regression", None),
    ],
)
def test_a_label_that_names_or_counts_the_rows_is_told(y: Array, kind: str, said: str) -> None:
    about: dict[str, Any] = {"columns": (Column("a", 0, "number"),), "label": LabelColumn("id", 1)}
    X = np.random.default_rng(0).normal(size=(len(y), 1))
    rest = "; if it is another column, give --label-column"
    lines = [f"points.csv: the label, id, {said}{rest}"] if said else []
    assert remarks(table(X, y, **about), kind)[1:] == lines
    lines = [f"points.csv: the label {said}"] if said else []
    assert remarks(table(X, y), kind) == lines


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("patient_id", "x"), "patient_id"),
        (("x", "Store ID"), "'Store ID'"),
        (("id", "userId"), "id"),
        (("patient", "few_id"), ""),
        (("heat_index", "no"), ""),
        ((None, None), ""),
    ],
)
def test_a_column_that_may_tell_whose_a_row_is_is_told(names: Any, said: str) -> None:
    columns = tuple(Column(name, j, "number") for j, name in enumerate(names))
    X = np.array([[i % 11, i % 10 if names[1] == "few_id" else i % 13] for i in range(60)], float)
    y = np.random.default_rng(0).integers(2, size=60)
    found = ", ".join(name for name in names if name and name.lower().endswith("id"))
    rest = (
        f"points.csv: rows of one {found} may belong together; a row that is held out is scored "
        f"too well if others of its group are trained on: keep them together by --group {said}"
    )
    assert remarks(table(X, y, columns=columns), "classification")[1:] == ([rest] if said else [])
    different = table(X[:, :1] + np.arange(60)[:, None] * 11, y, columns=columns[:1])
    assert remarks(different, "classification")[1:] == []
    grouped = table(X, y, columns=columns, groups=np.arange(60) // 2)
    assert remarks(grouped, "classification")[1:] == []


def test_numbers_that_look_like_dates_are_told() -> None:
    names = ("day", "other", "few", "when")
    columns = tuple(Column(n, j, "date" if n == "when" else "number") for j, n in enumerate(names))
    days = np.arange("2023-01-01", "2024-12-31", 7, "datetime64[D]")
    numbers = np.array([int(str(day).replace("-", "")) for day in days], float)
    X = np.stack([numbers, numbers + 50, numbers[0] + np.arange(len(days)) % 5, numbers], axis=1)
    X[3, 0] = np.nan
    y = np.random.default_rng(0).integers(2, size=len(X))
    assert remarks(table(X, y, columns=columns), "classification")[1:] == [
        "points.csv: day: numbers that look like dates are read as numbers; as 2024-12-31, they "
        "would be dates"
    ]
    rounded = table(X.astype(np.float32), y, columns=columns)
    assert len(remarks(rounded, "classification")) == 2


def test_categories_most_of_which_are_numbers_are_told() -> None:
    numbers = tuple(sorted(str(number / 2) for number in range(40)))
    of = {
        "a b": (*numbers, "<0.5"),
        "codes": numbers,
        "mixed": (*numbers[:22], *(f"{n}A" for n in numbers[:22])),
        "few": (*numbers[:19], "none"),
        "words": ("no", "yes"),
    }
    columns = tuple(
        Column(name, j, "category", texts) for j, (name, texts) in enumerate(of.items())
    )
    y = np.random.default_rng(0).integers(2, size=50)
    assert remarks(table(np.zeros((50, len(of))), y, columns=columns), "classification")[1:] == [
        "points.csv: a b ('<0.5'): many numbers and other text are read as categories; "
        "--numeric 'a b' takes the other text for missing"
    ]


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (np.array(["no", "yes"] * 50 + ["y es"]), "'y es'"),
        (np.array([1, 2] * 100 + [7, 9, 2, 2]), "'7', '9'"),
        (np.array(["no", "yes"] * 40 + ["y es"]), None),
        (np.array(["no", "yes"] * 50 + ["y es"] * 2), None),
    ],
)
def test_a_class_of_one_row_among_many_may_be_misspelt(y: Array, said: str) -> None:
    about: dict[str, Any] = {"columns": (Column("a", 0, "number"),), "label": LabelColumn("b", 1)}
    X = np.random.default_rng(0).normal(size=(len(y), 1))
    rest = "correct it if it is misspelt, as a class of one row is not both learned and tested"
    has = "each has" if said == "'7', '9'" else "has"
    lines = [f"points.csv: one row {has} the label {said}; {rest}"] if said else []
    assert remarks(table(X, y, **about), "classification")[1:] == lines
    if y.dtype.kind == "i":
        assert remarks(table(X, y, **about), "regression")[1:] == []
