"""What the head of a table says: delimiter, header, names."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from mlpcli.data.columns import TableOptions
from mlpcli.data.formats.collect import Table, collect
from mlpcli.data.formats.header import clean_names, find_column, guess_delimiter
from mlpcli.data.formats.table import TableReader
from mlpcli.errors import DataError

HEADER = "t.csv: the first row is taken for the header; if it is a sample, --header no"
SAMPLE = "t.csv: the first row is taken for a sample; if it is the header, --header yes"


def read(content: str, label: str | None = None, known: tuple[str, ...] = (), **o: Any) -> Table:
    said = TableOptions(label_column=label, **o)
    return collect([TableReader(io.BytesIO(content.encode()), "t.csv", said, known)], said)


@pytest.mark.parametrize(
    ("lines", "delimiter"),
    [
        ("4,4;oak\n5,1;elm", ";"),
        ("a;b;kind\n4,4;5,1;oak\n4,4;5,1;oak", ";"),
        ("4,4;5,1\n5,5;1,2", ";"),
        ("4,4;5\n5,5;1\n0,1;2", ";"),
        ("Doe; John,1,2\nRoe; Jane,3,4", ","),
        ('18.0   8   307.0\t"chevelle malibu"\n15.0   8   350.0\t"skylark 320"', " "),
        ("95, 48, van \n91, 41, van ", ","),
        ("a|b\n1|2", "|"),
        ("a^b\n1^2", "^"),
        ("a~b\n1~2", "~"),
        ("1 2 3\n4 5 6", " "),
        ("  1   2\n 13   4", " "),
        ("x y,1\nz w,2", ","),
        ("a\tb,c\n1\t2,3", "\t"),
        ('"4,4","oak"\n"5,1","elm"', ","),
        ('"a;b","c"\n"d;e","f"', ","),
        ("Paris (France),3\nRome (Italy),4", ","),
        ("5\n6", ","),
        ("when\tx\n2020-01-01 12:00\t1\n2020-01-02 13:30\t2", "\t"),
        ("2020-01-01 12:00\t1\n2020-01-02 13:30\t2", "\t"),
        ("town\tx\nNew York\t1\nEl Paso\t2", "\t"),
        ("price\tx\n500 €\t1\n1.200 €\t2", "\t"),
        ("409 €;3,195,027\n88 €;1,002,400", ";"),
        ("1,234.5|x\n2,345.5|y", "|"),
        ("speed\n1 20\n2 30", " "),
        ('"speed"\n"Mazda RX4" 20\n"Datsun" 30', " "),
        ("speed weight\nMazda 20 1\nDatsun 30 2", " "),
    ],
)
def test_the_delimiter_is_what_every_line_has(lines: str, delimiter: str) -> None:
    assert guess_delimiter(lines.split("\n")) == delimiter


@pytest.mark.parametrize(
    ("lines", "known", "delimiter"),
    [
        ("top speed\n20", ["top speed"], ","),
        ("town\nNew York", ["town"], ","),
        ("town\nNew York\nEl Paso\nSan Jose", ["town"], ","),
        ("when\n2020-01-01 12:00\n2020-01-02 13:30", ["when"], ","),
        ("price\n$1,234\n$17,928.48", ["price"], ";"),
        ("a,b\n5-A\n2-B", ["a,b"], ";"),
        ("top speed;a,b\n445;5,5", ["a,b", "TOP SPEED"], ";"),
        ("#;a b\n445;5,5", ["a b", "#"], ";"),
        ("a b;c\n1 2;3", ["a", "b"], ";"),
    ],
)
def test_known_names_tell_the_delimiter(lines: str, known: list[str], delimiter: str) -> None:
    assert guess_delimiter(lines.split("\n"), known) == delimiter


@pytest.mark.parametrize("rows", ["a,b\n1,x\n2,y\n3,x\n4,y\n", "1,5\n2,6\n3,7\n"])
@pytest.mark.parametrize("known", [(), ("a",)])
@pytest.mark.parametrize("comment", ['# "hello', '% made by, "me', '# 5" pipes'])
def test_an_open_quote_in_a_comment_before_is_no_cells(comment, known, rows) -> None:
    found, expected = read(f"{comment}\n{rows}", known=known), read(rows, known=known)
    assert (found.columns, found.X.tolist()) == (expected.columns, expected.X.tolist())


def test_a_mark_before_a_name_does_not_count_but_before_a_number_it_does() -> None:
    names = ("x", "#1", "# size", "#2")
    assert find_column("size", names, 4, "t.csv") == 2
    assert find_column("%Size", names, 4, "t.csv") == 2
    assert [find_column(wanted, names, 4, "t.csv") for wanted in ("1", "#1", "2")] == [1, 1, 2]
    assert find_column("2", ("x", "#2", "y"), 3, "t.csv") == 2


def test_so_do_those_in_the_comment_before_but_not_a_sentence_with_one_of_them() -> None:
    lines = ['"8,859,367",476 €', '"3,366,371",244 €']
    assert guess_delimiter(lines, ["price", "%"], "%,price") == ","
    assert guess_delimiter(lines, ["price", "n"], "# n,price") == ","
    assert guess_delimiter(["5;1", "6;2"], ["speed"], "% speed of cars") == ";"
    table = read("% speed of cars\nspeed,y\n5,1\n6,2\n7,2\n", known=("speed",))
    assert [column.name for column in table.columns] == ["speed"]


def test_known_names_in_the_comment_before_are_the_header_where_the_last_column_is_blank() -> None:
    for comment in ("# b,a,y\n", "% b,a,y\n", "# b,a,y\nb,a,y\n", "b,a,y\n"):
        table = TableReader(io.BytesIO(f"{comment}1,2,\n3,4,\n".encode()), "t.csv", known="ab")
        assert [*map(table.find, "bay")] == [0, 1, 2], comment
        assert table.head == [["1", "2", ""], ["3", "4", ""]]


@pytest.mark.parametrize("rows", ["Rome,red\n", "Rome,red\nOslo,blue\n", "Rome,\n"])
def test_a_row_of_texts_is_no_header_where_the_comment_before_has_the_names(rows: str) -> None:
    stream = io.BytesIO(f"# town,colour\n{rows}".encode())
    table = TableReader(stream, "t.csv", known=("town", "colour"))
    assert [*map(table.find, ("town", "colour"))] == [0, 1]
    assert table.head[0] == rows.split("\n")[0].split(",")


BODY = "".join(f"{i / 7:.3f},{-i / 3:.3f},{'xyz'[i % 3]}\n" for i in range(1, 13))


@pytest.mark.parametrize(
    ("first", "names", "notices"),
    [
        ("a,b,kind\n", ("a", "b", "kind"), ()),
        ("", None, ()),
        ("oops,0.5,x\n", None, ()),  # refused below, but not lost
        ("1100,1102,species\n", ("1100", "1102", "species"), (HEADER,)),
        ("0,1,2\n", ("0", "1", "2"), (HEADER,)),
        ("0.5,1.5,w\n", ("0.5", "1.5", "w"), (HEADER,)),  # a class of its own in the first row
        ("0.5,1.5,x\n", None, ()),
        ("a,1102,kind\n", ("a", "1102", "kind"), (HEADER,)),
        ("0.5,?,x\n", None, ()),
    ],
)
def test_the_first_row_is_judged_by_most_of_its_cells(
    first: str, names: tuple[str, ...] | None, notices: tuple[str, ...]
) -> None:
    if first.startswith("oops"):
        with pytest.raises(DataError, match="row 1, column 1: 'oops' is not a number"):
            read(first + BODY)
        return
    table = read(first + BODY)
    found = [column.name for column in table.columns]
    assert (*found, table.label.name) == (names or (None, None, None))
    assert table.notices == notices
    assert len(table.X) == 12 + (names is None and bool(first))


def test_a_person_has_the_last_word() -> None:
    table = read("1100,1102,x\n" + BODY, header="yes")
    assert (table.columns[0].name, table.label.name, len(table.X)) == ("1100", "x", 12)
    assert table.notices == ()
    table = read("a,b,kind\n" + BODY, header="no", numeric=("0", "1"))
    assert len(table.X) == 13
    assert table.labels is not None
    assert table.labels[0] == "kind"


def test_a_number_that_is_there_once_does_not_name_numbers() -> None:
    rows = "".join(f"{i / 7:.3f},{'ab'[i % 2]},{i % 3}\n" for i in range(1, 13))
    table = read("0.5,a,2.0\n" + rows)
    assert (table.label.name, len(table.X)) == (None, 13)


NUMBERS_AS_NAMES = {
    "years": ("", "1940", "1945", "1950", "1955"),
    "years after names": ("land", "code", "2001", "2002", "2003"),
    "years, the last first": ("land", "2003", "2002", "2001"),
    "years, some left out": ("land", *map(str, (*range(1986, 1993), *range(1994, 1998), 2000))),
    "bins": ("size", "142.24", "144.78", "147.32", "149.86", "152.4"),
    "what rises, after a blank": ("", "16.5", "16.75", "17.25"),
    "sizes": ("land", "1", "2", "3", "4", "5"),
}


@pytest.mark.parametrize("names", NUMBERS_AS_NAMES.values(), ids=NUMBERS_AS_NAMES)
def test_numbers_in_order_name_columns_of_numbers_that_are_not(names: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    numbers = [name for name in names if name[:1].isdigit()]
    texts = len(names) - len(numbers)  # which differ in every row
    rows = [
        [land] * texts + [f"{x:.2f}" for x in rng.normal(size=len(numbers))]
        for land in "ABCDEFGHIJKL"
    ]
    table = read("".join(",".join(row) + "\n" for row in (names, *rows)))
    assert [*(column.name for column in table.columns), table.label.name] == numbers
    assert (len(table.X), table.notices) == (12, (HEADER,))


@pytest.mark.parametrize(
    "row",
    [
        (1.5, 0.5, 2.5, 0.7, 0.3, 0.1),  # in no order
        (1.0, 2.0, 3.0),  # as it may come about
        (7, 7, 7, 7, 7, 7),
        (1960.0, 1961.5, 1965.0),  # not evenly apart, and there is no blank
        (1932.0, 20.9, 18.0),  # multiples of 2.9 apart
        (16, 10, 8, 6, 2),  # half of them are
    ],
)
def test_other_numbers_do_not(row: tuple[float, ...]) -> None:
    rng = np.random.default_rng(0)
    rows = [row, *rng.normal(size=(12, len(row)))]
    table = read("".join(",".join([f"{x:.3f}" for x in values]) + "\n" for values in rows))
    assert (table.label.name, len(table.X), table.notices) == (None, 13, ())


def test_a_first_row_that_cannot_be_a_sample_is_told_to_be_a_header() -> None:
    rows = "".join(f"{i},{i * 7 % 5}.5,{i * 5 % 9}.25,{i * i}.5\n" for i in range(30))
    with pytest.raises(DataError) as caught:
        read("id,1850,1900,2016\n" + rows)
    assert str(caught.value) == (
        "t.csv: row 1, column 1: 'id' is not a number, as most are; correct it, or, if the first "
        "row is the header, --header yes"
    )
    assert read("id,1850,1900,2016\n" + rows, header="yes").label.name == "2016"


def test_rows_that_are_all_in_order_are_samples() -> None:
    rows = "".join(f"{2 * i},{2 * i + 3},{2 * i + 6},{2 * i + 9},{2 * i + 12}\n" for i in range(9))
    table = read(rows)
    assert (table.label.name, len(table.X)) == (None, 9)


ALL_TEXT = "".join(f"{'ab'[i % 2]},{'uvw'[i % 3]},{'pq'[i // 2 % 2]}\n" for i in range(12))


def test_a_table_of_text_alone() -> None:
    table = read("size,shape,edible\n" + ALL_TEXT)
    assert (table.columns[0].name, table.label.name, len(table.X)) == ("size", "edible", 12)
    table = read(ALL_TEXT)
    assert (table.columns[0].name, table.label.name, len(table.X)) == (None, None, 12)


def test_texts_after_a_blank_name_columns_where_an_index_has_no_name() -> None:
    rows = [f"{i},{chr(97 + i)},of {chr(97 + i)}" for i in range(12)]
    table = read("\n".join([",letter,meaning", *rows]))
    assert (table.label.name, len(table.X), table.notices) == ("meaning", 12, (HEADER,))
    table = read("\n".join([",letter,meaning", *rows[:6], rows[6].replace("6", "", 1), *rows[7:]]))
    assert (table.label.name, len(table.X), table.notices) == (None, 13, (SAMPLE,))


def test_a_row_that_has_a_name_that_was_given_is_the_header() -> None:
    names = "a,u,q\n"  # could be a sample, by its values
    assert read(names + ALL_TEXT).label.name is None
    assert read(names + ALL_TEXT, "u").label.name == "u"
    assert read(names + ALL_TEXT, ignore=("A",)).left_out[0].name == "a"
    assert read(names + ALL_TEXT, known=("a", "u")).label.name == "q"


def test_a_label_of_the_first_row_alone_is_its_name_though_it_is_far_down_that_others_repeat() -> (
    None
):
    """Of the first rows, some labels occur once; of the whole file only that of the first one."""
    rows = "".join(f"{i / 9:.2f},{i % 5},c{i % 300}\n" for i in range(1, 900))
    table = read("1.5,2,species\n" + rows)
    assert (table.label.name, len(table.X)) == ("species", 899)
    assert table.notices == (SAMPLE, HEADER) or table.notices == (HEADER,)
    assert read("1.5,2,species\n" + rows, header="no").label.name is None


@pytest.mark.parametrize(
    ("names", "clean", "numbered"),
    [
        (["a", "b"], ("a", "b"), []),
        (["a", "a", "a"], ("a", "a.1", "a.2"), ["a", "a"]),
        (["a", "a.1", "a"], ("a", "a.1", "a.2"), ["a"]),
        (["", " x ", ""], ("column 1", "x", "column 3"), []),
        (["two\nlines", "b"], ("two lines", "b"), []),
    ],
)
def test_names_are_made_different(
    names: list[str], clean: tuple[str, ...], numbered: list[str]
) -> None:
    assert clean_names(names, "t.csv") == (clean, numbered)


def test_duplicate_names_are_numbered_with_a_notice() -> None:
    table = read("a,a,kind\n" + BODY)
    assert [column.name for column in table.columns] == ["a", "a.1"]
    assert table.notices == (
        "t.csv: the header has 'a' more than once; those after the first are numbered",
    )


def test_names_of_rows_as_r_writes_them() -> None:
    body = "".join(f'"{i}" {i / 7:.2f} "{"xy"[i % 2]}"\n' for i in range(1, 20))
    table = read('"size" "kind"\n' + body)
    assert [column.name for column in table.columns] == ["size"]
    assert [(c.name, c.reason) for c in table.left_out] == [("column 1", "counts the rows")]
    assert table.label.name == "kind"


@pytest.mark.parametrize("wanted", ["kind", "Kind", " KIND ", "2", "-1"])
def test_case_and_spaces_of_a_name_do_not_matter(wanted: str) -> None:
    assert read("a,b,kind\n" + BODY, wanted).label.name == "kind"


def test_case_matters_if_names_differ_in_it_alone() -> None:
    body = "a,A,y\n1.5,2,x\n2.5,3,z\n"
    assert read(body, "A").label.name == "A"
    with pytest.raises(DataError, match="no column 'AA'; did you mean"):
        read(body, "AA")
