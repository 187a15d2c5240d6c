"""A model finds its columns in other tables by name, or else by position, or refuses."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest

from mlpcli.data.columns import Column, LabelColumn, Layout, TableOptions
from mlpcli.data.formats.collect import Table, collect
from mlpcli.data.formats.table import TableReader
from mlpcli.errors import DataError

# Trained from: id, kind (the label), size, colour, note (left out)
LAYOUT = Layout(
    columns=(Column("size", 2), Column("colour", 3, "category", ("blue", "red"))),
    label=LabelColumn("kind", 1),
    width=5,
    classes=("x", "y"),
    model="m.npz",
)
ROWS = [("7", "x", "1.5", "red", "hm"), ("8", "y", "2.5", "blue", "oh"), ("9", "x", "", "teal", "")]
NAMES = ("id", "kind", "size", "colour", "note")
X = [[1.5, 1], [2.5, 0], [np.nan, -1]]
NEW_YEAR_2020 = 18_262  # days since 1970-01-01


def read(
    positions: list[int], *, header: bool, labelled: bool, layout: Layout = LAYOUT, **options: Any
) -> Table:
    """The rows with some of their columns, in any order."""
    rows = [NAMES, *ROWS] if header else ROWS
    content = "\n".join(",".join(row[j] for j in positions) for row in rows)
    said = TableOptions(**options)
    reader = TableReader(io.BytesIO(content.encode()), "t.csv", said, layout.names)
    return collect([reader], said, layout, labelled=labelled)


@pytest.mark.parametrize(
    ("positions", "header"),
    [
        ([0, 1, 2, 3, 4], True),
        ([3, 2, 1], True),
        ([4, 3, 0, 1, 2], True),
        ([0, 1, 2, 3, 4], False),
        ([1, 2, 3], False),  # the label where it was among those that are used
    ],
)
@pytest.mark.parametrize("labelled", [True, False])
def test_columns_and_label_are_found(positions: list[int], header: bool, labelled: bool) -> None:
    table = read(positions, header=header, labelled=labelled)
    np.testing.assert_array_equal(table.X, X)
    assert table.labels is not None
    assert table.labels.tolist() == ["x", "y", "x"]
    assert table.columns == LAYOUT.columns
    assert table.unseen == 1


@pytest.mark.parametrize(
    ("positions", "header"),
    [([2, 3], False), ([0, 2, 3, 4], False), ([3, 2], True), ([0, 2, 3, 4], True)],
)
def test_rows_to_predict_need_no_label(positions: list[int], header: bool) -> None:
    table = read(positions, header=header, labelled=False)
    np.testing.assert_array_equal(table.X, X)
    assert table.labels is None


@pytest.mark.parametrize(
    ("positions", "label", "header"),
    [
        ([2, 3, 1], "-1", False),
        ([0, 2, 3, 4, 1], "4", False),
        ([0, 1, 2, 3, 4], "1", False),
        ([1, 2, 3], "0", False),
        ([2, 3, 1], "Kind", True),
    ],
)
def test_a_label_elsewhere_can_be_named(positions: list[int], label: str, header: bool) -> None:
    table = read(positions, header=header, labelled=True, label_column=label)
    np.testing.assert_array_equal(table.X, X)
    assert table.labels is not None
    assert table.labels.tolist() == ["x", "y", "x"]


@pytest.mark.parametrize(
    ("positions", "header", "labelled", "message"),
    [
        (
            [0, 1, 3, 4],
            True,
            True,
            "t.csv: no column 'size'; there is 'id', 'kind', 'colour', 'note'",
        ),
        ([2, 3], True, True, "t.csv: no column 'kind'; there is 'size', 'colour'"),
        (
            [2, 3],
            False,
            True,
            "t.csv: has 2 columns and no header; m.npz takes 2 columns of inputs and a label, "
            "of the 5 in training",
        ),
        (
            [2],
            False,
            False,
            "t.csv: has 1 column and no header; m.npz takes 2 columns of inputs, "
            "of the 5 in training",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    positions: list[int], header: bool, labelled: bool, message: str
) -> None:
    with pytest.raises(DataError) as refused:
        read(positions, header=header, labelled=labelled)
    assert str(refused.value) == message


def test_what_could_be_either_is_refused() -> None:
    """Of four columns, three without a header are id, size, colour or kind, size, colour."""
    layout = Layout(LAYOUT.columns, LabelColumn("kind", 1), 4, ("x", "y"), "m.npz")
    with pytest.raises(DataError) as refused:
        read([0, 2, 3], header=False, labelled=False, layout=layout)
    assert str(refused.value) == (
        "t.csv: has 3 columns and no header, so that it cannot be told which of them are the 2 "
        "that m.npz takes; give a header, or the same columns as in training"
    )
    np.testing.assert_array_equal(read([1, 2, 3], header=False, labelled=True, layout=layout).X, X)


@pytest.mark.parametrize(
    ("classes", "written", "labels"),
    [
        (("0", "1"), ["1.0", "0.0", "1"], [1, 0, 1]),
        (("0.0", "1.0"), ["1", "0", "1"], ["1.0", "0.0", "1.0"]),
        (("007", "008"), ["7", "8", "007"], ["007", "008", "007"]),
        (("a", "b"), ["1", "2", "1"], ["1", "2", "1"]),  # as they are, to be named as unknown
        (("1", "2", "x"), ["1", "2", "1"], ["1", "2", "1"]),  # some of a text model's labels
        (("1", "2"), ["1", "3", "1"], [1, 3, 1]),
        (("-", "+"), ["+", "-", "+"], ["+", "-", "+"]),
        (None, ["1", "2.5", "-3"], [1.0, 2.5, -3.0]),
    ],
)
def test_the_models_labels_decide_how_others_are_read(
    classes: tuple[str, ...] | None, written: list[str], labels: list[Any]
) -> None:
    layout = Layout((Column(None, 0),), LabelColumn(None, 1), 2, classes)
    content = "".join(f"{i},{label}\n" for i, label in enumerate(written))
    table = collect([TableReader(io.BytesIO(content.encode()), "t.csv")], None, layout)
    assert table.labels is not None
    assert table.labels.tolist() == labels


def test_the_same_number_is_the_same_category() -> None:
    layout = Layout(
        (Column("a", 0, "category", ("1", "02", "x")),), LabelColumn("y", 1), 2, ("p", "q")
    )
    content = "a,y\n1.0,p\n2,q\n02,p\nx,p\nX,q\n"
    table = collect([TableReader(io.BytesIO(content.encode()), "t.csv")], None, layout)
    assert table.X[:, 0].tolist() == [0, 1, 1, 2, -1]
    assert table.unseen == 1


def test_an_odd_cell_is_refused_where_the_model_takes_a_number() -> None:
    layout = Layout((Column("a", 0),), LabelColumn("y", 1), 2, ("p", "q"))
    content = "a,y\n" + "many,p\n" * 9 + "1,q\n"
    with pytest.raises(DataError) as refused:
        collect([TableReader(io.BytesIO(content.encode()), "t.csv")], None, layout)
    assert str(refused.value) == (
        "t.csv: row 2, column 'a': 'many' is not a number, as most are; correct it, "
        "or leave it empty"
    )
    said = TableOptions(numeric=("a",))
    table = collect([TableReader(io.BytesIO(content.encode()), "t.csv")], said, layout)
    assert np.isnan(table.X[:9, 0]).all()


@pytest.mark.parametrize(
    ("order", "cells", "days"),
    [
        ("month", ["01/12/2020", "2020-12-01", "1 Dec 2020", ""], [12, 336, 336, None]),
        ("day", ["01/12/2020", "31/12/2020"], [336, 366]),
        ("", ["31/12/2020", "12/31/2020", "05.05.2020"], [366, 366, 126]),
    ],
)
def test_day_and_month_are_told_apart_as_in_the_rows_of_training(
    order: str, cells: list[str], days: list[int | None]
) -> None:
    layout = Layout(
        (Column("when", 0, "date", order=order), Column("x", 1)), LabelColumn("y", 2), 3, None
    )
    content = "when,x\n" + "".join(f"{cell},1\n" for cell in cells)
    reader = TableReader(io.BytesIO(content.encode()), "t.csv")
    table = collect([reader], None, layout, labelled=False)
    expected = [math.nan if day is None else NEW_YEAR_2020 + day - 1 for day in days]
    assert table.X[:, 0].tolist() == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("order", "cell", "what"),
    [
        ("month", "25/12/2020", "a date whose month comes before its day"),
        ("day", "12/25/2020", "a date whose day comes before its month"),
        ("", "01/12/2020", "a date that can be read in one way only"),
    ],
)
def test_a_date_that_could_be_another_one_is_refused(order: str, cell: str, what: str) -> None:
    layout = Layout(
        (Column("when", 0, "date", order=order), Column("x", 1)), LabelColumn("y", 2), 3, None
    )
    content = f"when,x\n2020-01-05,1\n{cell},2\n"
    reader = TableReader(io.BytesIO(content.encode()), "t.csv")
    reader.bad_rows = {}
    collect([reader], None, layout, labelled=False)
    assert reader.bad_rows == {
        1: f"t.csv: row 3, column 'when': '{cell}' is not {what}; correct it, or leave it empty"
    }
