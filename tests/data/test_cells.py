"""Numbers and dates as people write them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.data.cells import (
    common_unit,
    decimal_mark,
    is_date,
    is_missing,
    parse_date,
    parse_number,
    parse_written,
    split_unit,
)


@pytest.mark.parametrize(
    ("cell", "point", "comma"),
    [
        ("1,234.5", 1234.5, None),
        ("1.234,5", None, 1234.5),
        ("1,234", 1234.0, 1.234),
        ("1.234", 1.234, 1234.0),
        ("1.234.567", None, 1234567.0),
        ("12,34,567", None, None),
        ("0,001", None, 0.001),
        ("4,4", None, 4.4),
        ("$1,200", 1200.0, 1.2),
        ("1 200 €", 1200.0, 1200.0),
        ("-£3", -3.0, -3.0),
        ("12 %", 12.0, 12.0),
        ("12.5%", 12.5, None),
        ("1\u2009234\u2009567", 1234567.0, 1234567.0),
        ("1\u202f234,5", None, 1234.5),
        ("1'234.50", 1234.5, None),
        ("(1,200)", -1200.0, -1.2),
        ("$(1,234.00)", -1234.0, None),
        ("($5.50)", -5.5, None),
        ("-$ 3", -3.0, -3.0),
        ("$-3", -3.0, -3.0),
        ("123-", -123.0, -123.0),
        ("(5 %)", -5.0, -5.0),
        ("(7) €", -7.0, -7.0),
        ("USD 1,200", 1200.0, 1.2),
        ("1200 EUR", 1200.0, 1200.0),
        ("US$20", 20.0, 20.0),
        ("R$ 1.234,50", None, 1234.5),
        ("₹99", 99.0, 99.0),
        ("CHF 1'200.50", 1200.5, None),
        ("Rs. 40", 40.0, 40.0),
        ("$5 USD", 5.0, 5.0),
        ("-(5)", None, None),
        ("(-5)", None, None),
        ("--5", None, None),
        ("-5-", None, None),
        ("(5", None, None),
        ("5)", None, None),
        ("((5))", None, None),
        ("USD", None, None),
        ("5 ABC", None, None),
        ("\u22125", -5.0, -5.0),
        ("1e3", 1000.0, 1000.0),
        (".5", 0.5, None),
        (" 7 ", 7.0, 7.0),
        ("-inf", -math.inf, -math.inf),
        ("1_000", None, None),
        ("0x10", None, None),
        ("12 kg", None, None),
        ("()", None, None),
        ("1 2", None, None),
        ("٣", None, None),
    ],
)
def test_numbers_as_people_write_them(cell: str, point: float | None, comma: float | None) -> None:
    assert parse_written(cell) == point
    assert parse_written(cell, decimal_comma=True) == comma


@given(st.floats(allow_nan=False, allow_infinity=False, width=64))
def test_any_number_that_python_writes_is_itself(value: float) -> None:
    assert parse_written(repr(value)) == value
    if abs(value) < 1e15:
        assert parse_written(f"{value:,.3f}") == float(f"{value:.3f}")


@pytest.mark.parametrize(
    "cell",
    [
        "",
        " ",
        "?",
        "-",
        ".",
        "NA",
        "n/a",
        "NaN",
        "null",
        "None",
        "<NA>",
        "<null>",
        "#N/A",
        "\\N",
        "#DIV/0!",
        "-nan",
    ],
)
def test_what_is_missing(cell: str) -> None:
    assert is_missing(cell)
    assert math.isnan(parse_written(cell) or 0.0)


@pytest.mark.parametrize(
    ("cell", "mark"),
    [
        ("1.5", "."),
        ("1,5", ","),
        ("1,234.5", "."),
        ("1,234", ""),
        ("12", ""),
        ("$1,200", ""),
        ("0,5", ","),
        ("a,b", ""),
        ("1.234,5", ","),
        ("1,234e-05", ","),
        ("1.234e+05", "."),
    ],
)
def test_the_decimal_mark_is_known_if_there_is_no_other_way_to_read(cell: str, mark: str) -> None:
    assert decimal_mark(cell) == mark


def days(moment: datetime) -> float:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(days=1)


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2020-02-29", datetime(2020, 2, 29)),
        ("2020/2/9", datetime(2020, 2, 9)),
        ("2020.02.09", datetime(2020, 2, 9)),
        ("2020-02", datetime(2020, 2, 1)),
        ("1969-12-31", datetime(1969, 12, 31)),
        ("2020-02-09T10:20", datetime(2020, 2, 9, 10, 20)),
        ("2020-02-09 10:20:30.25", datetime(2020, 2, 9, 10, 20, 30, 250_000)),
        ("2020-02-09T10:20:30Z", datetime(2020, 2, 9, 10, 20, 30)),
        ("9 Feb 2020", datetime(2020, 2, 9)),
        ("09-feb-2020", datetime(2020, 2, 9)),
        ("February 9, 2020 1:05 PM", datetime(2020, 2, 9, 13, 5)),
        ("Feb 9, 2020 12:05 am", datetime(2020, 2, 9, 0, 5)),
        ("09-Feb-20", datetime(2020, 2, 9)),
        ("Sun, 9 Feb 2020 10:20:30", datetime(2020, 2, 9, 10, 20, 30)),
        ("Feb 2020", datetime(2020, 2, 1)),
        ("Febr. 2020", datetime(2020, 2, 1)),
        ("sept-2020", datetime(2020, 9, 1)),
        ("2020 Feb", datetime(2020, 2, 1)),
        ("Dec-11", datetime(2011, 12, 1)),
        ("1990,  July", datetime(1990, 7, 1)),
        ("2020Q1", datetime(2020, 1, 1)),
        ("2020-Q2", datetime(2020, 4, 1)),
        ("2020 Q3", datetime(2020, 7, 1)),
        ("Q4 2020", datetime(2020, 10, 1)),
    ],
)
def test_dates_in_which_there_is_no_doubt(cell: str, moment: datetime) -> None:
    for order in ("day", "month"):
        assert parse_date(cell, order) == pytest.approx(days(moment.replace(tzinfo=UTC)), abs=1e-9)


def test_a_zone_is_taken_into_account() -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    moment = datetime(2020, 2, 9, 1, 15, tzinfo=east)
    assert parse_date("2020-02-09T01:15:00+05:30", "day") == pytest.approx(days(moment), abs=1e-9)
    assert parse_date("2020-02-09 01:15:00+0530", "day") == pytest.approx(days(moment), abs=1e-9)
    assert parse_date("20200209T011500+0530", "day") == pytest.approx(days(moment), abs=1e-9)


@pytest.mark.parametrize(
    ("cell", "day_first", "month_first"),
    [
        ("3/4/2020", (2020, 4, 3), (2020, 3, 4)),
        ("31.12.2020", (2020, 12, 31), None),
        ("12-31-2020", None, (2020, 12, 31)),
        ("12/31/20", None, (2020, 12, 31)),
        ("1/2/99", (1999, 2, 1), (1999, 1, 2)),
        ("24.12.68", (2068, 12, 24), None),
        ("24. 12. 1969", (1969, 12, 24), None),
    ],
)
def test_day_and_month_in_either_order(
    cell: str, day_first: tuple[int, int, int] | None, month_first: tuple[int, int, int] | None
) -> None:
    for order, expected in (("day", day_first), ("month", month_first)):
        wanted = None if expected is None else days(datetime(*expected, tzinfo=UTC))
        assert parse_date(cell, order) == wanted


@pytest.mark.parametrize(
    "cell",
    ["Jan 24", "Mar 05", "Q1 20", "2020Q5", "2020 Foo", "Fri 2020", "2020 W06", "May"],
)
def test_what_may_be_another_day_or_no_month_is_no_date(cell: str) -> None:
    assert not is_date(cell)


def test_a_year_of_two_digits_may_come_first() -> None:
    assert parse_date("19/11/24", "year") == days(datetime(2019, 11, 24, tzinfo=UTC))
    assert parse_date("19/11/24", "day") == days(datetime(2024, 11, 19, tzinfo=UTC))
    for cell in ("24.12.19", "1/2/03", "3/4/2020"):
        assert parse_date(cell, "year") is None


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "20200209",
        "2020-13-01",
        "2021-02-29",
        "2019-20",
        "1.2.3",
        "12:30",
        "may",
        "Foo 1 2020",
        "2020-01-01 25:00",
        "2020-01/02",
        "10-20-30",
    ],
)
def test_what_is_no_date(cell: str) -> None:
    assert parse_date(cell, "day") is None
    assert parse_date(cell, "month") is None


@given(st.text(alphabet="0123456789.,eE+- _$%'()nafi", max_size=12))
def test_a_plain_number_is_the_one_that_python_reads(cell: str) -> None:
    plain = parse_number(cell)
    try:
        value = float(cell) if "_" not in cell else None
    except ValueError:
        value = None
    assert repr(plain) == repr(value)
    if value is not None and not is_missing(cell):
        assert repr(parse_written(cell)) == repr(value)


@pytest.mark.parametrize(
    ("cell", "number", "unit", "factor"),
    [
        ("80 kg", "80", "kg", 1),
        ("1.5KG", "1.5", "kg", 1),
        ("-3,5 °C", "-3,5", "°c", 1),
        ("1,200 sq ft", "1,200", "sq ft", 1),
        ("120 m²", "120", "m²", 1),
        ("120 m2", "120", "m2", 1),
        ("60 km/h", "60", "km/h", 1),
        ("58.2k", "58.2", "k", 1e3),
        ("3M", "3", "k", 1e6),
        ("5 m", "5", "m", 1),
        ("7", "7", "", 1),
        ("80 kg|red", "80 kg|red", "", 1),
        ("12.5 %", "12.5 %", "", 1),
        ("1:30", "5400000", ":", 1 / 3_600_000),
        ("25:10", "25:10", "", 1),
        ("2:1", "2:1", "", 1),
        ("2022Q4", "2022Q4", "", 1),
        ("kg", "kg", "", 1),
        ("x80 kg2020", "x80 kg2020", "", 1),
    ],
)
def test_a_unit_is_apart_from_its_number(cell: str, number: str, unit: str, factor: float) -> None:
    assert split_unit(cell) == (number, unit, factor)


def test_a_number_with_a_columns_unit_is_that_number_and_with_another_none() -> None:
    assert parse_written("1,200 Sq Ft", unit="sq ft") == 1200
    assert parse_written("1.200,5 kg", decimal_comma=True, unit="kg") == 1200.5
    assert parse_written("(0.5 kg)", unit="kg") is None
    assert parse_written("1200", unit="kg") == 1200
    assert parse_written("1e3", unit="kg") == 1000
    assert parse_written("80 lb", unit="kg") is None
    for cell, hours in (("16:12", 16.2), ("12:30 am", 0.5), ("1:30:18 PM", 13.505)):
        assert parse_written(cell, unit=":") == pytest.approx(hours, rel=1e-14)
        assert parse_written(cell, True, unit=":") == pytest.approx(hours, rel=1e-14)
    assert parse_written("80 kg") is None
    assert [parse_written(cell, unit="k") for cell in ("900", "58.5k", "1.5M", "2B")] == [
        *(900, 58_500, 1_500_000, 2_000_000_000)
    ]
    assert math.isnan(parse_written("NA", unit="kg") or 0)
    assert math.isnan(parse_written("null kg", unit="kg") or 0)
    assert parse_written("900 USD", unit="k") == 900


def test_the_unit_of_cells_is_the_only_one_and_enough_of_them_have_it() -> None:
    assert common_unit(["1 kg", "2KG", "3", "", "NA"]) == "kg"
    assert common_unit(["2a", "2", "3"]) == ""
    assert common_unit(["1k", "2", "3", "4", "5"]) == "k"
    assert common_unit(["1k", "2", "3", "4", "5", "6"]) == ""
    assert common_unit(["1 kg", "2 kg", "3 lb"]) == ""
    assert common_unit(["900", "1k", "2M"]) == "k"
    assert common_unit([]) == ""
