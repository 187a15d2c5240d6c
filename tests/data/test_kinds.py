"""The kinds of columns that a table is found to have, and what is left out of it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import mlpcli.data.labels
from mlpcli.data import readings
from mlpcli.data.columns import UNSEEN, Column, TableOptions, describe_columns
from mlpcli.data.formats.collect import Table, collect
from mlpcli.data.formats.table import TableReader
from mlpcli.errors import DataError, UsageError

N = 40
Y = [f"{'xyz'[i * i % 3]}" for i in range(N)]


def read(*columns: list[Any], names: str, mark: str = ",", **options: Any) -> Table:
    rows = [mark.join(map(str, row)) for row in zip(*columns, strict=True)]
    content = "\n".join([names.replace(",", mark), *rows])
    said = TableOptions(**options)
    return collect([TableReader(io.BytesIO(content.encode()), "t.csv", said)], said)


def only(table: Table) -> tuple[Column, Any]:
    """The single column, with its values."""
    assert len(table.columns) == 1, table
    return table.columns[0], table.X[:, 0]


PLAIN = [i * 37 % 101 / 10 for i in range(N)]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (PLAIN, PLAIN),
        ([f'"${1000 + i:,}"' for i in range(N)], [1000.0 + i for i in range(N)]),
        ([f"{i % 9} %" for i in range(N)], [i % 9 for i in range(N)]),
        (
            ["?" if i % 4 == 0 else i % 9 for i in range(N)],
            [np.nan if i % 4 == 0 else i % 9 for i in range(N)],
        ),
        (["" if i < 39 else 7 for i in range(N)], [np.nan] * 39 + [7]),
        ([f'"{i % 9}"' for i in range(N)], [i % 9 for i in range(N)]),
        ([f"{i % 9 + 1}\u2009000" for i in range(N)], [1000.0 * (i % 9 + 1) for i in range(N)]),
    ],
    ids=["plain", "money", "percent", "gaps", "mostly gaps", "quoted", "thin spaces"],
)
def test_numbers(cells: list[Any], values: list[float]) -> None:
    table = read(cells, Y, names="a,kind")
    column, found = only(table)
    grouped = any("," in str(cell) for cell in cells)
    assert column == Column("a", 0, decimal="." if grouped else "")
    np.testing.assert_array_equal(found, np.array(values, np.float32))


@pytest.mark.parametrize(
    ("cells", "values", "unit"),
    [
        ([f"{x} kg" for x in PLAIN], PLAIN, "kg"),
        ([f"{x}KM/h" if i % 3 else x for i, x in enumerate(PLAIN)], PLAIN, "km/h"),
        (
            [f'"{i % 9 + 1},200 sq ft"' for i in range(N)],
            [1200 + i % 9 * 1000 for i in range(N)],
            "sq ft",
        ),
        (
            [f"{int(x)}:{int(x * 5 % 60):02d}" for x in PLAIN],
            [int(x) + int(x * 5 % 60) / 60 for x in PLAIN],
            ":",
        ),
        (["?" if x > 8 else f"{x}°" for x in PLAIN], [np.nan if x > 8 else x for x in PLAIN], "°"),
        (
            [f"{x}k" if x < 8 else f"{x}M" for x in PLAIN],
            [1e3 * x if x < 8 else 1e6 * x for x in PLAIN],
            "k",
        ),
    ],
)
def test_numbers_that_all_have_one_unit(cells: list[Any], values: list[float], unit: str) -> None:
    for numeric in ((), ("a",)):
        column, found = only(read(cells, Y, names="a,kind", numeric=numeric))
        assert (column.kind, column.unit) == ("number", unit)
        np.testing.assert_allclose(found, np.array(values, np.float32), rtol=1e-6)


def test_what_has_several_units_or_other_texts_is_a_category() -> None:
    two = [f"{i % 7} {'kg' if i % 5 else 'lb'}" for i in range(N)]
    late = [f"{i % 7} kg" if i < 35 else "none of it" for i in range(N)]
    feet = [f"5'{i % 12}" for i in range(N)]
    grades = ["2a" if i % 4 == 0 else f"{i % 4}" for i in range(N)]
    for cells in (two, late, feet, grades):
        assert only(read(cells, Y, names="a,kind"))[0].kind == "category"
    with pytest.raises(DataError, match="'4 kg' is not a number, as most are"):
        read(["4 kg" if i == 9 else i for i in range(N)], Y, names="a,kind")


def test_labels_with_a_unit_are_numbers_if_many_are_different_and_else_classes() -> None:
    many = read(PLAIN, [f"{10 + i * 7 % 31 / 4} kmpl" for i in range(N)], names="a,y")
    assert many.labels is not None
    assert many.labels.tolist() == [10 + i * 7 % 31 / 4 for i in range(N)]
    assert many.label.unit == "kmpl"
    whole = read(PLAIN, [f"{100 + i * 7 % 31} km" for i in range(N)], names="a,y")
    assert whole.labels is not None
    assert whole.labels.tolist() == [100 + i * 7 % 31 for i in range(N)]
    few = read(PLAIN, [f"{i % 5} stars" for i in range(N)], names="a,y")
    assert few.labels is not None
    assert few.labels.tolist() == [f"{i % 5} stars" for i in range(N)]
    asked = read(PLAIN, [f"{i % 5} stars" for i in range(N)], names="a,y", task="regression")
    assert asked.labels is not None
    assert asked.labels.tolist() == [i % 5 for i in range(N)]


def test_decimal_commas_are_the_files() -> None:
    decimal = [f"{i // 10 + 1}.{100 + i},{i % 10}" for i in range(N)]
    short = [f"1.{100 + i}" for i in range(N)]  # 1100, 1101, … by the other column's word
    table = read(decimal, short, Y, names="a,b,kind", mark=";")
    assert table.X[:, 0] == pytest.approx(
        [1000 * (i // 10 + 1) + 100 + i + i % 10 / 10 for i in range(N)]
    )
    assert table.X[:, 1].tolist() == [1100 + i for i in range(N)]
    points = [f"{i}.25" for i in range(N)]
    table = read(points, short, Y, names="a,b,kind", mark=";")
    np.testing.assert_array_equal(
        table.X[:, 1], np.array([float(cell) for cell in short], np.float32)
    )


def test_categories_are_sorted_and_a_missing_one_is_missing() -> None:
    cells = [["red", "NA", "blue", " red "][i % 4] for i in range(N)]
    column, found = only(read(cells, Y, names="colour,kind"))
    assert column == Column("colour", 0, "category", ("blue", "red"))
    np.testing.assert_array_equal(found, [[1, np.nan, 0, 1][i % 4] for i in range(N)])


def test_truth_values_are_categories() -> None:
    column, _ = only(read(["TRUE" if i % 3 else "FALSE" for i in range(N)], Y, names="a,kind"))
    assert column.categories == ("FALSE", "TRUE")


def test_more_than_four_fifths_make_a_number_and_an_odd_cell_is_refused() -> None:
    cells: list[Any] = [*PLAIN[:33], *["lots"] * 7]  # 82.5 %
    with pytest.raises(DataError) as refused:
        read(cells, Y, names="a,kind")
    assert str(refused.value) == (
        "t.csv: row 35, column 'a': 'lots' is not a number, as most are; correct it, or read the "
        "column otherwise: --categorical a, or --numeric a, which takes it for missing"
    )
    _, found = only(read(cells, Y, names="a,kind", numeric=("a",)))
    np.testing.assert_array_equal(found, np.array([*PLAIN[:33], *[np.nan] * 7], np.float32))
    column, _ = only(read(cells, Y, names="a,kind", categorical=("a",)))
    assert column.kind == "category"
    assert "lots" in column.categories


def test_at_four_fifths_it_is_a_category() -> None:
    column, found = only(read([*["1", "2.0"] * 16, *["lots"] * 8], Y, names="a,kind"))
    assert column == Column("a", 0, "category", ("1", "2.0", "lots"))
    assert found.tolist() == [*[0, 1] * 16, *[2] * 8]


@pytest.mark.parametrize("first", ["text", "numbers"])
def test_the_kind_is_found_in_the_whole_file(first: str) -> None:
    """The first rows, and the first block, say otherwise; 01 is not lost on the way."""
    numbers, texts = ["01", "2.50", "3"] * 30_000, ["p", "q"] * 15_000
    cells = texts + numbers if first == "text" else numbers + texts
    labels = ["x", "y"] * (len(cells) // 2)
    column, found = only(read(cells, labels, names="a,kind"))
    assert column.categories == ("01", "2.50", "3", "p", "q")
    assert [column.categories[int(code)] for code in found[::997]] == cells[::997]
    more = ["7", "8"] * 50_000
    cells = texts[:1000] + more
    with pytest.raises(DataError, match="row 2, column 'a': 'p' is not a number, as most are"):
        read(cells, ["x", "y"] * (len(cells) // 2), names="a,kind")


@pytest.mark.parametrize(
    ("cell", "unit", "decimal"),
    [
        ("{0}:{1:02}", ":", ""),
        ("{0}:{1:02} pm", ":", ""),
        ("{0} kg", "kg", ""),
        ("{0}k", "k", ""),
        ('"{0},{1}"', "", ","),
        ('"{0},{1:03}.5"', "", "."),
        ("{0}-{1}-2024", "", ""),
        ("{0}", "", ""),
    ],
)
def test_what_comes_after_many_gaps_is_read_as_without_them(
    cell: str, unit: str, decimal: str
) -> None:
    """The gaps fill the first rows, from which the first reading is chosen."""
    cells = [cell.format(i % 11 + 1, i % 16 + 13) for i in range(400)]
    kinds = ["x", "y"] * 200
    alone, values = only(read(cells, kinds, names="a,kind"))
    assert alone.kind == ("date" if "2024" in cell else "number")
    assert (alone.unit, alone.decimal) == (unit, decimal)
    late, found = only(read([""] * 5000 + cells, ["x", "y"] * 2500 + kinds, names="a,kind"))
    assert late == alone
    np.testing.assert_array_equal(found, [*[np.nan] * 5000, *values])


def test_decimal_commas_of_labels_are_found_after_whole_numbers() -> None:
    targets = [*["7", "30"] * 1000, *(f'"{i},5"' for i in range(100))]
    table = read([f"{i}.5" for i in range(2100)], targets, names="a,target")
    assert table.labels.tolist() == [*[7.0, 30.0] * 1000, *(i + 0.5 for i in range(100))]
    assert table.label.decimal == ","


def test_texts_beyond_those_told_apart_do_not_go_for_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor is such a column read one way and the other for ever."""
    monkeypatch.setattr(readings, "MAX_TEXTS", 50)
    monkeypatch.setattr(mlpcli.data.labels, "MAX_TEXTS", 50)
    cells = [*(f"{i}.5" for i in range(3000)), *(f"of {i % 300}" for i in range(3000))]
    other = ["x", "y"] * 3000
    column, found = only(read(cells, other, names="a,kind"))
    assert column.kind == "category"
    assert len(column.categories) == 50
    assert (found[50:] == UNSEEN).all()
    with pytest.raises(DataError, match="more than 50 different labels; name the column"):
        read(
            [f"{i}.5" for i in range(3000)],
            [f"{i}.25" if i % 3 else "unknown" for i in range(3000)],
            names="a,target",
        )


def test_dates_are_days() -> None:
    cells = [f"2020-{i % 12 + 1:02d}-{i % 28 + 1:02d}" for i in range(N)]
    column, found = only(read(cells, Y, names="when,kind"))
    assert column == Column("when", 0, "date")
    expected = np.array(cells, "datetime64[D]").astype(float)
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("order", ["day", "month"])
def test_day_and_month_are_told_apart_by_the_whole_column(order: str) -> None:
    """The cell that tells is the last one, blocks later."""
    pairs = [(i % 12 + 1, i * 5 % 12 + 1) for i in range(30_000)] + [(25, 3)]
    cells = [f"{a}/{b}/2020" if order == "day" else f"{b}/{a}/2020" for a, b in pairs]
    column, found = only(read(cells, ["x", "y", "z"] * 10_000 + ["x"], names="when,kind"))
    assert (column.kind, column.order) == ("date", order)
    expected = np.array([f"2020-{b:02d}-{a:02d}" for a, b in pairs], "datetime64[D]").astype(float)
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("order", ["month", "day"])
@pytest.mark.parametrize("digits", [4, 2])
def test_dates_that_can_all_be_firsts_of_months_are(order: str, digits: int) -> None:
    """If there is more than a year of them: who would note the first twelve days of Januaries?"""
    months = [(2000 + i // 12, i % 12 + 1) for i in range(N)]
    cells = [f"{m}/1/{y}" if order == "month" else f"1/{m}/{y}" for y, m in months]
    if digits == 2:
        cells = [cell.replace("/20", "/") for cell in cells]
    column, found = only(read(cells, Y, names="when,kind"))
    assert (column.kind, column.order) == ("date", order)
    expected = np.array([f"{y}-{m:02d}-01" for y, m in months], "datetime64[D]").astype(float)
    assert found.tolist() == expected.tolist()
    for other in ([*cells[1:], "5/6/2000"], cells[:12] * 3 + cells[:4]):
        table = read(other, PLAIN, Y, names="when,a,kind")
        assert "date" not in {each.kind for each in table.columns}


def test_a_date_in_doubt_is_text() -> None:
    cells = [f"{i % 12 + 1}/{i * 5 % 12 + 1}/2020" for i in range(N)]
    column, _ = only(read(cells, Y, names="when,kind"))
    assert column.kind == "category"
    cells = [f"{i % 12 + 1}/{i // 12 + 1}/2020" for i in range(N)]
    table = read(cells, PLAIN, Y, names="when,a,kind")
    assert [(c.name, c.reason) for c in table.left_out] == [("when", "day and month in doubt")]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (range(N), "counts the rows"),
        (range(1, N + 1), "counts the rows"),
        ([f"id{i}" for i in range(N)], "differs in nearly every row"),
        ([f"id{i % 37}" for i in range(N)], "differs in nearly every row"),
        ([f"{1000 + i} {'ABCDEFGH'[i % 8]}X" for i in range(N)], "differs in nearly every row"),
        (
            [f"{x} kg" if x > 5 else f"{1000 * x:g} g" for x in PLAIN],
            "numbers of several units: g, kg",
        ),
        ([4.0] * N, "constant"),
        (["same"] * N, "constant"),
        ([""] * N, "empty"),
        (["NA"] * N, "empty"),
    ],
)
def test_what_tells_nothing_is_left_out_unless_it_is_asked_for(
    cells: list[Any], reason: str
) -> None:
    table = read(list(cells), PLAIN, Y, names="c,a,kind")
    assert [column.name for column in table.columns] == ["a"]
    assert [(c.name, c.position, c.reason) for c in table.left_out] == [("c", 0, reason)]
    for options in ({"only": ("c", "a")}, {"categorical": ("c",)}):
        table = read(list(cells), PLAIN, Y, names="c,a,kind", **options)
        assert [column.name for column in table.columns] == ["c", "a"]


@pytest.mark.parametrize(
    "cells",
    [
        [2 + i for i in range(N)],
        [i // 2 for i in range(N)],
        [f"id{i % 35}" for i in range(N)],
        ["same"] * (N - 1) + [""],
        [4.0] * (N - 1) + [""],
        [""] * (N - 1) + ["1"],
    ],
)
def test_what_tells_something_is_kept(cells: list[Any]) -> None:
    table = read(cells, PLAIN, Y, names="c,a,kind")
    assert [column.name for column in table.columns] == ["c", "a"]


def test_numbers_of_rows_without_a_name_are_left_out() -> None:
    index = [3 * i + i % 2 for i in range(N)]
    table = read(index, PLAIN, Y, names=",a,kind")
    assert [(c.name, c.reason) for c in table.left_out] == [("column 1", "numbers the rows")]
    assert len(read(index, PLAIN, Y, names="i,a,kind").columns) == 2


def test_a_table_of_nothing_but_counting_columns_is_used() -> None:
    column, found = only(read(list(range(N)), Y, names="t,kind"))
    assert column.name == "t"
    assert found.tolist() == list(range(N))


def test_a_table_of_names_alone_is_refused() -> None:
    with pytest.raises(DataError) as refused:
        read([f"id{i}" for i in range(N)], Y, names="name,kind")
    assert str(refused.value) == (
        "t.csv: no column is left to learn from: name (differs in nearly every row) …; "
        "take columns all the same by --only"
    )


def test_columns_can_be_ignored_or_chosen() -> None:
    table = read(PLAIN, PLAIN[::-1], ["u", "v"] * 20, Y, names="a,b,c,kind", ignore=("b",))
    assert [column.name for column in table.columns] == ["a", "c"]
    assert [(c.name, c.reason) for c in table.left_out] == [("b", "--ignore")]
    table = read(PLAIN, PLAIN[::-1], ["u", "v"] * 20, Y, names="a,b,c,kind", only=("c", "0"))
    assert [column.name for column in table.columns] == ["a", "c"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ignore": ("a",), "only": ("a",)}, "column 'a' is named by both --ignore and --only"),
        ({"ignore": ("kind",)}, "column 'kind' is named by both --ignore and --label-column"),
        ({"numeric": ("a",), "categorical": ("a",)}, "named by both --categorical and --numeric"),
        (
            {"group": "kind"},
            "--group column 'kind': is the label; name the labels by --label-column",
        ),
    ],
)
def test_a_column_cannot_be_two_things(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(PLAIN, PLAIN, Y, names="a,b,kind", **options)


def test_rare_texts_beyond_a_bound_are_unknown_and_the_column_may_still_repeat() -> None:
    cells = [f"t{i % 70_000}" for i in range(210_000)]
    column, found = only(read(cells, ["x", "y"] * 105_000, names="a,kind"))
    assert len(column.categories) == 1 << 16
    known = found != UNSEEN
    assert known.sum() == 3 * (1 << 16)
    assert [column.categories[int(code)] for code in found[known][:500]] == cells[:500]


@pytest.mark.parametrize(
    ("cells", "wide"),
    [
        ([1_700_000_000 + 60 * i for i in range(N)], True),  # seconds since 1970
        ([f"{5_000_000 + i}.25" for i in range(N)], True),  # metres
        ([f"2020-01-{i % 28 + 1:02d} 10:{i:02d}" for i in range(N)], True),
        ([16_777_217 + i for i in range(N)], True),
        ([0.1 * i for i in range(N)], False),
        ([i * 1_000_000 for i in range(N)], False),
        ([1e-30 * 1.7**i for i in range(N)], False),
    ],
)
def test_what_float32_would_lose_is_kept(cells: list[Any], wide: bool) -> None:
    table = read(cells, Y, names="a,kind")
    assert table.X.dtype == (np.float64 if wide else np.float32)
    if wide and not isinstance(cells[0], str):
        assert table.X[:, 0].tolist() == cells


def test_a_few_numbers_that_happen_to_be_alike_need_no_double_precision() -> None:
    rng = np.random.default_rng(2)
    values = rng.uniform(1, 2, 30_000).round(12)  # 600 kB, several blocks
    values[640] = values[0] + 1e-9  # equal in float32
    values[-3:] = [1.5, 1.500001, 1.500002]  # as a last, short block may be
    other = rng.integers(0, 9, len(values))
    labels = [f"{'ab'[i % 2]}" for i in range(len(values))]
    assert read(values.tolist(), other.tolist(), labels, names="x,z,y").X.dtype == np.float32


def test_it_is_kept_though_it_is_far_down(tmp_path: Any) -> None:
    cells = [i % 7 for i in range(100_000)] + [1_700_000_000 + i for i in range(100_000)]
    table = read(cells, ["x", "y"] * 100_000, names="a,kind")
    assert table.X[:, 0].tolist() == cells


def test_what_was_found_is_said_in_a_line() -> None:
    columns = [Column("a", 0), Column("b", 1), Column("c", 2, "category", ("x",))]
    columns += [Column(f"d{j}", 3 + j, "date") for j in range(7)]
    table = read(range(N), PLAIN, ["s"] * N, Y, names="i,a,s,kind")  # type: ignore[arg-type]
    assert describe_columns(columns, table.left_out) == (
        "2 numbers, 1 category (c), 7 dates (d0, d1, d2, d3, d4 and 2 more); "
        "left out: i (counts the rows), s (constant)"
    )


# Labels


def labels(cells: list[Any], **options: Any) -> Any:
    return read([i * 37 % 101 for i in range(len(cells))], cells, names="a,kind", **options).labels


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["007", "008"] * 9, ["007", "008"] * 9),
        (["1.0", "0.0"] * 9, ["1.0", "0.0"] * 9),
        (["1.50", "2.25", "1.5"] * 9, ["1.50", "2.25", "1.50"] * 9),
        (["3", "3.0", "1"] * 9, [3, 3, 1] * 9),
        (["+", "-"] * 9, ["+", "-"] * 9),
        (["None", "Mild"] * 9, ["None", "Mild"] * 9),
        (["1", "x"] * 9, ["1", "x"] * 9),
        (["-3", "12345678901234"] * 9, [-3, 12345678901234] * 9),
        (["1e3", "5"] * 9, ["1e3", "5"] * 9),
        ([f"{i}.0" for i in range(30)], [float(i) for i in range(30)]),
        ([f'"${i},000"' for i in range(1, 30)], [1000.0 * i for i in range(1, 30)]),
        ([f"0{i}" for i in range(30)], [f"0{i}" for i in range(30)]),
        (list(range(-15, 15)), list(range(-15, 15))),
    ],
)
def test_labels_are_as_they_were_written(cells: list[Any], expected: list[Any]) -> None:
    found = labels(cells)
    assert found.tolist() == expected
    assert type(found.tolist()[0]) is type(expected[0])


def test_rows_without_a_label_are_left_out() -> None:
    cells = [["x", "?", "y", "", "NA", "x"][i % 6] for i in range(42)]
    table = read(list(range(42)), [i * 31 % 43 for i in range(42)], cells, names="n,a,kind")
    assert table.dropped == 21
    assert table.labels is not None
    assert table.labels.tolist() == ["x", "y", "x"] * 7
    assert table.X[:, 0].tolist() == [i * 31 % 43 for i in range(42) if i % 6 in (0, 2, 5)]
    assert table.left_out[0].reason == "counts the rows"  # before any are left out


def test_many_whole_numbers_are_labels_too() -> None:
    cells = [i * 7919 % 1_000_003 for i in range(70_000)]
    found = labels(cells)
    assert found.dtype == np.int64
    assert found.tolist() == cells


def test_numbers_to_predict_are_numbers_however_few() -> None:
    cells = ["1.0", "2.5", ""] * 9
    assert labels(cells, task="regression").tolist() == [1.0, 2.5] * 9
    assert labels(cells, numeric=("kind",)).tolist() == [1.0, 2.5] * 9


@pytest.mark.parametrize("said", [{"task": "classification"}, {"categorical": ("kind",)}])
def test_numbers_that_are_said_to_be_classes_stay_as_they_were_written(said: Any) -> None:
    cells = [f"{i % 30 / 4:g}" for i in range(120)]
    assert labels(cells).dtype == np.float64
    assert labels(cells, **said).tolist() == cells
    odd = ["oops", *cells]
    with pytest.raises(DataError, match="name column 'kind' by --categorical"):
        labels(odd)
    assert labels(odd, **said).tolist() == odd


@pytest.mark.parametrize(
    ("cells", "classes", "doubtful"),
    [
        (["None", "Insomnia", "Apnea"], ["Apnea", "Insomnia", "None"], ["None"]),
        (["none", "mild", "severe", ""], ["mild", "none", "severe"], ["none"]),
        (["-", "+"], ["+", "-"], ["-"]),
        (["-", "+", "++"], ["+", "++", "-"], ["-"]),
        (["-", "+/-", "+", "?"], ["+", "+/-", "-"], ["-"]),
        (["yes", "no", "-"], ["no", "yes"], []),
        (["yes", "no", "NA", "NULL"], ["no", "yes"], []),
        (["None", "1", "2"], [1, 2], []),
        (["some", "None"], ["None", "some"], ["None"]),
    ],
)
def test_labels_that_may_mean_missing(cells: list[str], classes: list[Any], doubtful: Any) -> None:
    labels = [cells[i % len(cells)] for i in range(60)]
    table = read([i * 7 % 13 / 4 for i in range(60)], labels, names="a,kind")
    assert table.labels is not None
    assert np.unique(table.labels).tolist() == classes
    assert len(table.labels) == sum(cell in map(str, classes) for cell in labels)
    assert table.dropped == 60 - len(table.labels)
    assert table.dropped_as == tuple(sorted({c for c in cells if c and c not in map(str, classes)}))
    said = [f"t.csv: column 'kind': '{cell}' is taken for a class" for cell in doubtful]
    assert list(table.notices) == said


@pytest.mark.parametrize("name", ["", "Unnamed: 0", '" "'])
def test_an_index_of_shuffled_rows_without_a_name_is_left_out(name: str) -> None:
    order = np.random.default_rng(0).permutation(N).tolist()
    table = read(order, PLAIN, Y, names=f"{name},a,kind")
    assert [(c.position, c.reason) for c in table.left_out] == [(0, "numbers the rows")]
    twice = [*order[:-1], order[0]]  # two rows of one name: not an index
    assert not read(twice, PLAIN, Y, names=f"{name},a,kind").left_out
    assert not read(order, PLAIN, Y, names="weight,a,kind").left_out


@pytest.mark.parametrize(
    "name",
    [
        "rownames",
        "row_names",
        "index",
        "id",
        "ID",
        "customer id",
        "PassengerId",
        "Serial No.",
        "Sample.ID",
    ],
)
def test_so_are_numbers_of_a_part_of_the_rows_under_the_name_of_an_index(name: str) -> None:
    order = (np.random.default_rng(0).permutation(3 * N)[:N] + 1).tolist()
    for cells in (order, sorted(order)):
        table = read(PLAIN, cells, Y, names=f"a,{name},kind")
        assert [(c.name, c.reason) for c in table.left_out] == [(name, "numbers the rows")]
    assert len(read(PLAIN, order, Y, names=f"a,{name},kind", numeric=(name,)).columns) == 2
    twice = [*order[:-1], order[0]]  # as of a customer who came again
    halves = [number / 2 for number in order]
    for cells in (twice, halves, [*order[:-1], ""]):
        assert len(read(PLAIN, cells, Y, names=f"a,{name},kind").columns) == 2


@pytest.mark.parametrize(
    "name", ["paid", "valid", "Covid", "piano", "row", "price_index", "idle", "no_rooms"]
)
def test_other_names_are_not_taken_for_those_of_an_index(name: str) -> None:
    order = (np.random.default_rng(0).permutation(3 * N)[:N] + 1).tolist()
    assert not read(PLAIN, order, Y, names=f"a,{name},kind").left_out


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_money_has_no_three_decimals_whatever_separates_the_cells(mark: str) -> None:
    values = [37 * i % 9000 + 500 for i in range(N)]  # some below a thousand
    dollars = [f'"${value:,}"' for value in values]
    euros = [f"{value:,} €".replace(",", ".") for value in values]
    table = read(dollars, euros, Y, names="a,b,kind", mark=mark)
    assert table.X.tolist() == [[value, value] for value in values]


def test_the_decimal_mark_is_a_columns_own() -> None:
    euros = [f'"{1000 + 37 * i % 500:,}'.replace(",", ".") + f',{i % 90 + 10} €"' for i in range(N)]
    table = read(euros, PLAIN, Y, names="price,a,kind")
    assert [column.kind for column in table.columns] == ["number", "number"]
    expected = [1000 + 37 * i % 500 + (i % 90 + 10) / 100 for i in range(N)]
    np.testing.assert_allclose(table.X[:, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(table.X[:, 1], PLAIN, rtol=1e-6)
    comma = [str(value).replace(".", ",") for value in PLAIN]
    mixed = read(comma, [f"{i % 7}.5" for i in range(N)], Y, names="a,b,kind", mark=";")
    np.testing.assert_allclose(mixed.X[:, 0], PLAIN, rtol=1e-6)
    assert mixed.X[:, 1].tolist() == [i % 7 + 0.5 for i in range(N)]
