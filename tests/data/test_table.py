"""Tables in text: what is read, and what is said of one that cannot be."""

from __future__ import annotations

import csv
import hashlib
import io
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpcli.data.formats.table import Table, TableReader
from mlpcli.errors import DataError


def read(
    content: str | bytes,
    label: str | None = "-1",
    delimiter: str | None = None,
    features: list[int] | None = None,
) -> Table:
    stream = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    reader = TableReader(stream, "t.csv", delimiter)
    return reader.read(label=None if label is None else reader.find(label), features=features)


def refusal(content: str | bytes, label: str | None = "-1") -> str:
    with pytest.raises(DataError) as refused:
        read(content, label)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        "a,b,label\n1,2.5,x\n-3e1,4,y\n",
        "\ufeffa,b,label\r\n1,2.5,x\r\n-3e1,4,y\r\n\r\n\r\n",
        "a,b,label\r1,2.5,x\r-3e1,4,y",
        "\n\na,b,label\n\n1,2.5,x\n   \n-3e1,4,y\n",
        " a , b ,label\n 1, 2.5 , x\n-3e1,4,y \n",
        'a,"b","label"\n"1","2.5","x"\n-3e1,4,"y"\n',
        'a, "b", "label"\n1, "2.5", "x"\n-3e1, 4, "y"\n',
        "a;b;label\n1;2.5;x\n-3e1;4;y\n",
        "a\tb\tlabel\n1\t2.5\tx\n-3e1\t4\ty\n",
    ],
)
def test_one_table_in_many_hands(content: str) -> None:
    table = read(content)
    assert table.columns == ("a", "b")
    assert table.label_name == "label"
    assert table.X.dtype == np.float32
    assert table.X.tolist() == [[1, 2.5], [-30, 4]]
    assert table.labels is not None
    assert table.labels.tolist() == ["x", "y"]
    assert table.digest == hashlib.sha256(content.encode()).hexdigest()


def test_quoted_cells_may_hold_the_delimiter_and_quotes() -> None:
    table = read('"a, b",c\n1,"x, ""y"""\n2,z\n')
    assert table.columns == ("a, b",)
    assert table.labels is not None
    assert table.labels.tolist() == ['x, "y"', "z"]


def test_the_delimiter_can_be_given() -> None:
    assert read("a,b\tc\n1\t2\n", delimiter="\t").columns == ("a,b",)


@pytest.mark.parametrize(
    ("content", "header"),
    [
        ("1,2,x\n3,4,y\n", None),
        ("1,2,3\n", None),
        ("0,1,label\n3,4,1\n", ("0", "1", "label")),
        ("label,0,1\n3,4,1\n", ("label", "0", "1")),
        ("a,b,label\nNA,,x\n3,4,y\n", ("a", "b", "label")),
        ("a,b,label\n1,2,x\nbad,worse,3\n5,6,y\n", ("a", "b", "label")),
        ("400.5,401.5,label\n3,4,5\n", ("400.5", "401.5", "label")),
        ("3,4,x\n1,2,y\n3,4,z\n", None),
    ],
)
def test_a_header_is_known_by_text_above_numbers(
    content: str, header: tuple[str, ...] | None
) -> None:
    assert TableReader(io.BytesIO(content.encode()), "t.csv").header == header


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        (["3", "3.0", "3e0", "-1"], [3, 3, 3, -1]),
        (["9007199254740993", "0"], [9007199254740993, 0]),
        (["03", "x"], ["03", "x"]),
        (["0.5", "1", "1.0", ".5"], ["0.5", "1", "1", "0.5"]),
        (["Ünïcode", "日本"], ["Ünïcode", "日本"]),
    ],
)
def test_labels(written: list[str], labels: list[int | str]) -> None:
    found = read("".join(f"1,{text}\n" for text in written)).labels
    assert found is not None
    assert found.tolist() == labels
    assert found.dtype == np.int64 or found.dtype.kind == "U"


@pytest.mark.parametrize(
    ("wanted", "name"),
    [("a", "a"), ("0", "a"), ("-1", "7"), ("7", "7"), ("1", "2"), ("2", "2"), ("-3", "a")],
)
def test_a_label_column_is_a_name_before_it_is_an_index(wanted: str, name: str) -> None:
    assert read("a,2,7\n1,2,3\n", wanted).label_name == name


def test_features_can_be_chosen_and_the_rest_be_anything() -> None:
    table = read("id,a,b,label\nk1,1,2,x\nk2,3,4,y\n", features=[2, 1])
    assert table.columns == ("b", "a")
    assert table.X.tolist() == [[2, 1], [4, 3]]


def test_a_table_without_labels() -> None:
    table = read("a,b\n1,2\n", label=None)
    assert table.X.tolist() == [[1, 2]]
    assert table.labels is None
    assert table.label_name is None
    assert read("5\n6\n", label=None).X.tolist() == [[5], [6]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; one row per sample is expected"),
        ("\n  \n", "is empty; one row per sample is expected"),
        ("a,b,c\n", "has a header and no rows"),
        (
            "a\n1\n",
            "has a single column, but a label and at least one feature are needed; "
            "are its cells separated by commas (or tabs, in a .tsv)?",
        ),
        ("a,a,c\n1,2,3\n", "the header has 'a' twice; give each column a name of its own"),
        (
            ",a,c\n1,2,3\n",
            "column 1 has no name in the header; name it, or drop it if it only counts the rows",
        ),
        (
            "a,\x1b[31m,c\n1,2,3\n",
            "column 2 has a control character in its name, '\\x1b[31m'; take it out",
        ),
        (
            "a,b,c\n1,2,3\n\n1,2\n",
            "row 4 has 2 columns, expected 3 as in the first row; "
            "fill it up, or quote the cells that hold a ','",
        ),
        (
            "1,2,3\n1,2,3,4\n",
            "row 2 has 4 columns, expected 3 as in the first row; "
            "fill it up, or quote the cells that hold a ','",
        ),
        (
            "size,city,c\n1,Paris,3\n",
            "row 2, column 'city': 'Paris' is not a number; one-hot encode the column or drop it; "
            "if it is the label, --label-column 'city'",
        ),
        (
            "1,Paris,3\n2,Rome,4\n",
            "row 1, column 2: 'Paris' is not a number; one-hot encode the column or drop it; "
            "if it is the label, --label-column 1",
        ),
        (
            "a,b,c\n1,2,3\n1,2x,3\n",
            "row 3, column 'b': '2x' is not a number; "
            "correct it, drop the row, or one-hot encode or drop the column",
        ),
        (
            "a,b,c\n1,1_000,3\n",
            "row 2, column 'b': '1_000' is not a number; one-hot encode the column or drop it; "
            "if it is the label, --label-column 'b'",
        ),
        (
            "a;b\n1;x\n1,5;y\n",
            "row 3, column 'a': '1,5' is not a number; write a decimal point",
        ),
        (
            "a,b,c\r\n1,2,3\r\n1,,3\r\n",
            "row 3, column 'b': the value is missing; fill it in or drop the row",
        ),
        (
            "?,2,3\n1,2,3\n",
            "row 1, column 1: '?' is a missing value; fill it in or drop the row",
        ),
        (
            "a,b,c\n1,2,3\nNaN,2,3\n",
            "row 3, column 'a': 'NaN' is a missing value; fill it in or drop the row",
        ),
        (
            "a,b,c\n1,-inf,3\n",
            "row 2, column 'b': '-inf' is not finite in float32; "
            "correct it, drop the row, or rescale the column",
        ),
        (
            "a,b,c\n1,2,3\n1,1e39,3\n",
            "row 3, column 'b': '1e39' is not finite in float32; "
            "correct it, drop the row, or rescale the column",
        ),
        (
            "a,b,c\n1,2,x\n1,2,\n",
            "row 3, column 'c': the label is missing; fill it in or drop the row",
        ),
        ("1,x\n2,nan\n", "row 2, column 2: the label is missing; fill it in or drop the row"),
        (
            f"1,{'x' * 201}\n",
            "row 1, column 2: a label of 201 characters; "
            "name the column of labels by --label-column",
        ),
        (
            "1,a\n2,\x1b[31mred\n",
            "row 2, column 2: the label '\\x1b[31mred' has a control character; remove it",
        ),
        (
            "1,1e300\n2,0\n",
            "the label '1e300' in column 2 is too large; "
            "number the classes from 0, or name them in words",
        ),
        (
            '1,2,"x\n3,4,y"\n5,6,z\n',
            "row 1 has a quote that is not closed on its line, or a cell of more than 131,072 "
            "characters; close the quote, or write a quote within a cell as two",
        ),
        (
            '1,2,x\n3,4,"y',
            "row 2 has a quote that is not closed on its line, or a cell of more than 131,072 "
            "characters; close the quote, or write a quote within a cell as two",
        ),
        (
            b"1,2,x\r\n1,2,caf\xe9\r\n",
            "row 2 is not UTF-8 (byte 14 is 0xe9); save the file as UTF-8",
        ),
        (b"1,2,x\n1,\0,y\n", "row 2 has a NUL byte (byte 8); this is not a text file"),
        ("a,b\n1,2\n".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        (
            b"PK\x03\x04\x14\0\0\0",
            "row 1 has a NUL byte (byte 5); this is not a text file",
        ),
    ],
)
def test_what_is_said_of_a_table_that_cannot_be_used(content: str | bytes, message: str) -> None:
    assert refusal(content) == f"t.csv: {message}"


@pytest.mark.parametrize(
    ("content", "wanted", "message"),
    [
        ("sepal,species\n1,2\n", "specis", "no column 'specis'; did you mean 'species'?"),
        ("a,b\n1,2\n", "label", "no column 'label'; there is 'a', 'b'"),
        ("a,b\n1,2\n", "2", "no column 2: it has 2 columns, 0 to 1 (or -2 to -1)"),
        ("1,2\n", "-3", "no column -3: it has 2 columns, 0 to 1 (or -2 to -1)"),
        (
            "1,2\n",
            "label",
            "no column 'label': it has no header; "
            "give the column's index, 0 to 1 (or -1 for the last)",
        ),
    ],
)
def test_a_label_column_that_does_not_exist(content: str, wanted: str, message: str) -> None:
    assert refusal(content, wanted) == f"t.csv: {message}"


def test_a_stream_that_fails() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(DataError) as refused:
        TableReader(Broken(), "t.csv")
    assert str(refused.value) == "t.csv: cannot be read: Input/output error"


class Repeated(io.RawIOBase):
    """A stream of `size` bytes, the same few again and again; `taken` is how far it was read."""

    def __init__(self, pattern: bytes, size: int) -> None:
        self.taken = 0
        self._block = pattern * (1 + (1 << 20) // len(pattern))
        self._size = size

    def read(self, size: int = -1) -> bytes:
        block = self._block[: min(size, self._size - self.taken)]
        self.taken += len(block)
        return block


@pytest.mark.parametrize("pattern", [b"1,", b"x", b'"', b"1;2\t"])
def test_a_line_of_100_megabytes_is_refused_early(pattern: bytes) -> None:
    stream = Repeated(pattern, 100 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as refused:
            TableReader(stream, "t.csv")  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(refused.value) == (
        "t.csv: row 1 has more than 4 MiB; this is not a table with one row per sample"
    )
    assert stream.taken < 8 << 20
    assert peak < 32 << 20


def test_a_long_line_further_down_is_refused_by_its_number() -> None:
    content = b"1,2\n" * 300_000 + b"3," + b"0" * (9 << 20) + b"\n4,5\n"
    assert refusal(content) == (
        "t.csv: row 300001 has more than 4 MiB; this is not a table with one row per sample"
    )


def test_blank_lines_take_no_memory() -> None:
    stream = Repeated(b"\n", 20 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="is empty"):
            TableReader(stream, "t.csv")  # type: ignore[arg-type]
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


def test_more_labels_than_there_can_be_classes() -> None:
    content = "".join(f"1,id{i}\n" for i in range(65_540))
    assert refusal(content) == (
        "t.csv: row 65537, column 2: more than 65,536 different labels; "
        "name the column of labels by --label-column"
    )


def test_a_wide_table() -> None:
    names = ",".join(f"g{i}" for i in range(20_000))
    row = ",".join(map(str, range(20_000)))
    table = read(f"{names},label\n{row},x\n{row},y\n")
    assert table.X.shape == (2, 20_000)
    assert table.X[1, -1] == 19_999


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_are_counted_across_blocks(end: str) -> None:
    """Blocks are cut in the middle of lines, and between the halves of a CRLF, somewhere."""
    lines = [f"{i},{'é' * (i % 3)}{i % 7}" for i in range(200_000)]
    table = read(end.join(lines))
    assert len(table.X) == 200_000
    assert table.X[:, 0].tolist() == list(range(200_000))
    lines[150_000] = "oops"
    assert refusal(end.join(lines)).startswith("t.csv: row 150001 has 1 column, expected 2")


def outcome(content: str | bytes, label: str | None) -> tuple[Any, ...]:
    try:
        table = read(content, label)
    except DataError as error:
        return (str(error),)
    labels = None if table.labels is None else table.labels.tolist()
    return table.columns, table.X.tolist(), labels, table.label_name


cells = st.one_of(
    st.integers(-3, 3).map(str),
    st.floats(width=32).map(repr),
    st.sampled_from(["", "a", "b c", '"', '"x"', ' "x"', '"x" ', '"x""y"', '"x"y', "1e400", "NA"]),
    st.text(alphabet=' \t,;"\r\nxé1.-_\x0c\xa0', max_size=5),
)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), max_size=5)
    ),
    st.sampled_from(["-1", "0", None]),
)
def test_the_fast_parser_and_the_exact_one_agree(rows: list[list[str]], label: str | None) -> None:
    content = "\n".join(map(",".join, rows))
    quick = outcome(content, label)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "loadtxt", refuse)
        assert outcome(content, label) == quick


def refuse(*_: Any, **__: Any) -> None:
    raise ValueError


finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
texts = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=8
).filter(lambda text: text.strip() == text and not is_number(text))


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 3).flatmap(
        lambda width: st.tuples(
            st.lists(texts, min_size=width + 1, max_size=width + 1, unique=True),  # names
            st.lists(
                st.tuples(st.lists(finite, min_size=width, max_size=width), texts),
                min_size=1,
                max_size=6,
            ),
        )
    ),
    st.sampled_from([csv.excel, csv.excel_tab, csv.unix_dialect]),
    st.booleans(),
)
def test_what_the_csv_module_writes_is_read_back(
    table: tuple[list[str], list[tuple[list[float], str]]],
    dialect: type[csv.Dialect],
    byte_order_mark: bool,
) -> None:
    names, rows = table
    names[0] = "a feature"  # any text but "NA" and its like
    text = io.StringIO()
    writer = csv.writer(text, dialect)
    writer.writerow(names)
    writer.writerows([*map(repr, numbers), label] for numbers, label in rows)
    encoding = "utf-8-sig" if byte_order_mark else "utf-8"
    found = read(text.getvalue().encode(encoding), delimiter=dialect.delimiter)
    assert (*(found.columns or ()), found.label_name) == tuple(names)
    np.testing.assert_array_equal(found.X, np.array([row[0] for row in rows], np.float32))
    assert found.labels is not None
    assert found.labels.tolist() == [row[1] for row in rows]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_refused(content: bytes) -> None:
    assert_read_or_refused(content)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=3)), max_size=4))
def test_a_damaged_table_is_read_or_refused(damage: list[tuple[int, bytes]]) -> None:
    content = b'a,"b",label\r\n1,2.5,x\r\n-3e1,"4","y, z"\r\n5,6,x\r\n7,8,y\r\n'
    for position, replacement in damage:
        content = content[:position] + replacement + content[position + 1 :]
    assert_read_or_refused(content)


def assert_read_or_refused(content: bytes) -> None:
    found = outcome(content, "-1")
    if len(found) == 1:
        assert found[0].startswith("t.csv: ")
        assert "\n" not in found[0]
    else:
        assert np.isfinite(found[1]).all()
