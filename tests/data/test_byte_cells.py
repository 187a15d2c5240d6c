"""Cells that are parsed all at once have the values that they have one by one."""

from __future__ import annotations

import csv
import random
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.data.formats.byte_cells import KnownTexts, split_block
from mlpcli.data.readings import CategoryCells, DateCells, NumberCells, Reading

NUMBERS = st.one_of(
    st.floats(-(2.0**100), 2.0**100, width=32).map(repr),
    st.floats(-1e30, 1e30).map(repr),
    st.integers(-(10**21), 10**21).map(str),
    st.decimals(-(10**9), 10**9, places=7).map(str),
    st.from_regex(r"-?[0-9]{0,12}\.?[0-9]{0,12}", fullmatch=True),
    st.from_regex(r"[-+]?[0-9]{0,9}\.?[0-9]{0,9}[eE][-+]?[01]?[0-9]", fullmatch=True),
    st.sampled_from(
        [
            "",
            "-",
            ".",
            "-.",
            "NA",
            "+5",
            *("1e5", "e5", "-e5", "1e", "1e-", "1e+5", ".e5", "1.e5", "-0e0", "1ee5", "1e5e5"),
            *("1e00005", "1e000005", "9007199254740993e1", "9007199254740993e-1", "1e22", "1e23"),
            "-0",
            "1.2.3",
            "..",
            "1..2",
            "-1.-2",
            "/1",
            "1:2",
            "1.23456789.5",
            "00012",
            "1,5"[:1],
            " 7",
            "7 ",
            "-.5",
            "9007199254740993",
            "18446744073709551615",
            "18446744073709551616",
            "0.1234567890123456789",
            "99999999999999999999",
            "12345678.",
            "1.",
            "$4",
        ]
    ),
)


def read_one_by_one(cell: str) -> float:
    return NumberCells(fixed=True, lenient=True).read(cell)


@given(st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=1, max_size=8))
def test_numbers(rows: list[list[str]]) -> None:
    block = "".join(",".join(row) + "\n" for row in rows).encode()
    cells = split_block(block, ",", 3)
    assert cells is not None
    readings: list[Reading] = [NumberCells(fixed=True, lenient=True) for _ in range(3)]
    found = cells.numbers([0, 1, 2], readings)
    expected = [[read_one_by_one(cell) for cell in row] for row in rows]
    np.testing.assert_array_equal(found, expected)
    there = ~np.isnan(found)
    np.testing.assert_array_equal(np.signbit(found)[there], np.signbit(expected)[there])


def test_numbers_of_up_to_19_digits_are_rounded_as_python_rounds_them() -> None:
    rng = random.Random(0)
    written = []
    for _ in range(60_000):
        digits = "".join(rng.choices("0123456789", k=rng.randint(1, 19)))
        place = rng.randint(0, len(digits))
        sign = rng.choice(("", "-"))
        written.append(
            f"{sign}{digits[:place]}.{digits[place:]}" if rng.random() < 0.9 else sign + digits
        )
    written += [f"{rng.gauss(0, 1):.{rng.randint(0, 17)}e}" for _ in range(20_000)]
    written += [f"{text}E{rng.randint(-30, 15):+}" for text in written[:20_000]]
    cells = split_block("\n".join(written).encode(), ",", 1)
    assert cells is not None
    found = cells.numbers([0], [NumberCells(fixed=True)])[:, 0]
    assert found.tolist() == [float(text) for text in written]


def test_numbers_with_exponents_are_parsed_all_at_once() -> None:
    cells = split_block(b"1.5e-3,-2E5,1e22\n12.25e+01,0e0,-1.234567e-08\n", ",", 3)
    assert cells is not None
    none: list[Reading] = []  # no cell is read by itself
    found = cells.numbers([0, 1, 2], none).tolist()
    assert found == [[1.5e-3, -2e5, 1e22], [122.5, 0.0, -1.234567e-08]]


NINES = st.from_regex(r"-?[0-9]\.[0-9]{0,18}e(-[0-3]|[+]?[0-2])?[0-9]", fullmatch=True)


@given(st.lists(NINES, min_size=1, max_size=40))
def test_long_numbers_with_powers_are_rounded_as_python_rounds_them(written: list[str]) -> None:
    cells = split_block("\n".join(written).encode(), ",", 1)
    assert cells is not None
    found = cells.numbers([0], [NumberCells(fixed=True)])[:, 0]
    assert found.tolist() == [float(text) for text in written]


DATES = st.one_of(
    st.dates().map(str),
    st.datetimes().map(lambda when: when.isoformat(timespec="seconds")),
    st.datetimes().map(lambda when: when.isoformat(sep=" ", timespec="seconds")),
    st.datetimes().map(str),
    st.from_regex(r"(19|20)[0-9][0-9][-/.][01][0-9][-/.][0-3][0-9]", fullmatch=True),
    st.from_regex(r"2024-02-2[0-9][ T][0-2][0-9]:[0-6][0-9]:[0-6][0-9]", fullmatch=True),
    st.sampled_from(
        ["", "NA", "0000-01-01", "2023-02-29", "2024-02-29", "2024-13-01", "2024-00-10"]
    ),
    st.sampled_from(["9999-12-31", "0001-01-01", "2024-03-05T24:00:00", "2024-03-05T12:30:00Z"]),
    st.sampled_from(["05/03/2024", "2024-03-05_12:30:00", "2024-03-0:", "20240305ab", "2024-1-5"]),
    st.sampled_from(["5 Mar 2024 ", "٢٠٢٤-0"]),
)


@given(st.lists(DATES, min_size=1, max_size=20))
def test_dates(written: list[str]) -> None:
    block = "".join(f"{text},0\n" for text in written).encode()
    cells = split_block(block, ",", 2)
    assert cells is not None

    def one_by_one(reading: DateCells) -> list[float]:
        return [reading.read(text.strip(" ")) for text in written]

    for make in (DateCells, partial(DateCells, "day", fixed=True)):
        ours, theirs = make(), make()
        try:
            expected = one_by_one(theirs)
        except ValueError as error:
            with pytest.raises(type(error)):
                cells.dates(0, ours, KnownTexts())
        else:
            np.testing.assert_array_equal(cells.dates(0, ours, KnownTexts()), expected)
            assert (ours.order, ours.doubtful) == (theirs.order, theirs.doubtful)


TEXTS = st.one_of(
    st.text(
        st.characters(codec="utf-8", exclude_characters=',\n\r"\0', exclude_categories=("Cs",)),
        max_size=5,
    ),
    st.text("ab é", max_size=90),
    st.sampled_from(["red", "reddish", "NA", "12345678", "123456789", "x" * 64, "x" * 65]),
)


@given(st.lists(TEXTS, min_size=1, max_size=30), st.integers(1, 8))
def test_texts(texts: list[str], per_block: int) -> None:
    reading, known = CategoryCells(fixed=True), KnownTexts()
    one_by_one = CategoryCells(fixed=True)
    for start in range(0, len(texts), per_block):
        part = texts[start : start + per_block]
        cells = split_block("".join(f"0,{text}\n" for text in part).encode(), ",", 2)
        assert cells is not None
        codes = cells.texts(1, reading, known).tolist()
        for code, text in zip(codes, part, strict=True):
            expected = one_by_one.read(text)
            if np.isnan(expected):
                assert np.isnan(code)
            else:
                assert reading.names[int(code)] == one_by_one.names[int(expected)]
    assert sorted(reading.names) == sorted(one_by_one.names)


@pytest.mark.parametrize(
    ("block", "rows"),
    [
        ('"a","b"\n"c","d, e"\n', None),  # the comma within quotes makes another cell
        ('"a","b"\n"c","d"\n', [["a", "b"], ["c", "d"]]),
        ('a,"b""c"\nd,e\n', None),
        ("a,b\n\nc,d\n", None),
        ("a,b\nc\n", None),
        ("a,b,c\nd\n", None),
        (' a , "b"\nc,d\n', [["a", "b"], ["c", "d"]]),
        ("a,b\nc,d", [["a", "b"], ["c", "d"]]),
        ('"a,b\n', None),
        ('a"b",c\nd,e\n', None),
        ('"",""\n"x",""\n', [["", ""], ["x", ""]]),
    ],
)
def test_a_block_that_leaves_a_doubt_is_left_to_the_csv_module(
    block: str, rows: list[list[str]] | None
) -> None:
    cells = split_block(block.encode(), ",", 2)
    if cells is None:
        assert rows is None
        return
    expected = list(csv.reader(block.splitlines(), skipinitialspace=True))
    assert [[cell.strip() for cell in row] for row in expected] == rows
    reading = CategoryCells(fixed=True)
    texts = [cells.texts(j, reading, KnownTexts()) for j in (0, 1)]
    names = [[("" if np.isnan(c) else reading.names[int(c)]) for c in column] for column in texts]
    assert [list(row) for row in zip(*names, strict=True)] == rows
