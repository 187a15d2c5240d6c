"""Tables in text: what is read, and what is said of one that cannot be."""

from __future__ import annotations

import bz2
import csv
import hashlib
import io
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.data.cells import is_missing, parse_written
from mlpcli.data.columns import TableOptions
from mlpcli.data.formats import table as table_module
from mlpcli.data.formats.collect import Table, collect
from mlpcli.data.formats.table import TableReader
from mlpcli.errors import DataError


def read(
    content: str | bytes, label: str | None = None, delimiter: str | None = None, **options: Any
) -> Table:
    stream = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    said = TableOptions(label_column=label, **options)
    return collect([TableReader(stream, "t.csv", said, delimiter=delimiter)], said)


def names_of(table: Table) -> tuple[str | None, ...]:
    return tuple(column.name for column in table.columns)


def refusal(content: str | bytes, label: str | None = None) -> str:
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
        "a|b|label\n1|2.5|x\n-3e1|4|y\n",
        "a b label\n1   2.5 x\n-3e1\t4  y\n",
        "a,b,label,\n1,2.5,x,\n-3e1,4,y,\n",
        "a,b,label\n1,2.5,x,\n-3e1,4,y,\n",
        "# of 2020\n# by hand\na,b,label\n1,2.5,x\n-3e1,4,y\n",
        "# a,b,label\n1,2.5,x\n-3e1,4,y\n",
        "sep=;\na;b;label\n1;2.5;x\n-3e1;4;y\n",
        "sep=\t\na\tb\tlabel\n1\t2.5\tx\n-3e1\t4\ty\n",
        "a;b;label\n1;2,5;x\n-30,0;4;y\n",
    ],
)
def test_one_table_in_many_hands(content: str) -> None:
    table = read(content)
    assert names_of(table) == ("a", "b")
    assert table.label.name == "label"
    assert table.X.dtype == np.float32
    assert table.X.tolist() == [[1, 2.5], [-30, 4]]
    assert table.labels is not None
    assert table.labels.tolist() == ["x", "y"]
    assert table.digests == (hashlib.sha256(content.encode()).hexdigest(),)


def test_quoted_cells_may_hold_the_delimiter_and_quotes() -> None:
    table = read('"a, b",c\n1,"x, ""y"""\n2,z\n')
    assert names_of(table) == ("a, b",)
    assert table.labels is not None
    assert table.labels.tolist() == ['x, "y"', "z"]


def test_the_delimiter_can_be_given() -> None:
    assert names_of(read("a,b\tc\n1\t2\n3\t4\n", delimiter="\t")) == ("a,b",)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [("a", "a"), ("0", "a"), ("-1", "7"), ("7", "7"), ("1", "2"), ("2", "2"), ("-3", "a")],
)
def test_a_label_column_is_a_name_before_it_is_an_index(wanted: str, name: str) -> None:
    assert read("a,2,7\n1,2,3\n", wanted, header="yes").label.name == name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; one row per sample is expected"),
        ("\n  \n", "is empty; one row per sample is expected"),
        ("a,b,c\n", "has a header and no rows"),
        (
            "a\n1\n",
            "has a single column, but a label and at least one feature are needed; "
            "are its cells separated by commas, semicolons, tabs or bars?",
        ),
        (
            '"a,b,c"\n"1,2,""x"""\n"3,4,y"\n',
            "each row is quoted as a whole, and so is one cell; remove the outer quotes, as "
            """sed 's/^"//; s/"$//; s/""/"/g' does""",
        ),
        (
            "a,\x1b[31m,c\n1,2,3\n",
            "column 2 has a control character in its name, '\\x1b[31m'; remove it",
        ),
        (
            "a,b,c\n1,2,3\n\n1,2\n",
            "row 4 has 2 columns, expected 3 as in the first row; "
            "fill it up or remove it, or quote the cells that hold a ','",
        ),
        (
            "1,2,3\n1,2,3,4\n",
            "row 2 has 4 columns, expected 3 as in the first row; "
            "fill it up or remove it, or quote the cells that hold a ','",
        ),
        (
            "1   2  3\n4 5 new car\n7 8 9\n",
            "row 2 has 4 columns, expected 3 as in the first row; "
            "fill it up or remove it, or quote the cells that hold a ' '",
        ),
        (
            "a,b,c\n" + "1,2,3\n" * 5 + "1,2x,3\n1,2x,3\n" + "1,2,3\n" * 5,
            "row 7, column 'b': '2x' is not a number, as most are; correct it, or read the column "
            "otherwise: --categorical b, or --numeric b, which takes it for missing",
        ),
        (
            "1,2,3\n" * 5 + "1_000,2,3\n",
            "row 6, column 1: '1_000' is not a number, as most are; correct it, or read the column "
            "otherwise: --categorical 0, or --numeric 0, which takes it for missing",
        ),
        (
            "when,c\n" + "2020-01-02,3\n" * 5 + "soon,3\n",
            "row 7, column 'when': 'soon' is not a date, as most are; correct it, or read the "
            "column otherwise: --categorical when, or --numeric when, which takes it for missing",
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
            "a,b,c\n1,2,3\n1,-1.5e+39,3\n",
            "row 3, column 'b': '-1.5e+39' is not finite in float32; "
            "correct it, drop the row, or rescale the column",
        ),
        (
            "a,b,c\n1,2,\n1,2,NA\n",
            "no row has a label in column 'c'; name another by --label-column",
        ),
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
            '1,2,"x\n3,4,y"\n5,6,z\n',
            "row 1, column 3: the label 'x\\n3,4,y' has a control character; remove it",
        ),
        (
            '1,2,x\n3,4,"y',
            "row 2 has a quote that is not closed, or a cell of more than 131,072 "
            "characters; close the quote, or write a quote within a cell as two",
        ),
        (
            "a,b,label\n" + "".join(f"1,2,{i}\n" for i in range(30)) + "1,2,3x\n",
            "column 'label' has '3x' among 30 different numbers; correct it or leave it empty, "
            "or name column 'label' by --categorical if they are classes",
        ),
        (
            b"1,2,x\r\n1,2,caf\xe9\r\n",
            "row 2 is not UTF-8 (byte 14 is 0xe9); convert it, as by: "
            "iconv -f WINDOWS-1252 -t UTF-8 t.csv > utf8.csv",
        ),
        (b"1,2,x\n1,\0,y\n", "row 2 has a NUL byte (byte 8); this is not a text file"),
        (
            b"\xff\xfea\0,\0b\0\n",
            "is not valid UTF-16 ('utf-16-le' codec can't decode byte 0x0a in position 0: "
            "truncated data); save it as UTF-8",
        ),
        (
            b"PK\x03\x04\x14\0\0\0",
            "is a zip archive (or a workbook such as .xlsx), not text; unpack it, or save the "
            "sheet as CSV",
        ),
        (
            b"\x1f\x8b\x08\0",
            "its gzip data are damaged or cut short (Compressed file ended before "
            "the end-of-stream marker was reached); fetch or compress it again",
        ),
        (bz2.compress(b"1,2,x\n"), "is compressed by bzip2; decompress it, or use gzip"),
        (b'\xef\xbb\xbf[{"a": 1}]', "is JSON; save the table as CSV or Parquet"),
        (
            "\n<!doctype html>\n<title>a,b</title>\n",
            "is HTML or XML; save the table as CSV or Parquet",
        ),
        (
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            "is a Git LFS pointer; get the file itself by: git lfs pull",
        ),
        (
            "+1 1:0.5 3:1\n-1 2:-2e-3 # half of it\n+1\n-1 1:10 2:30\n",
            "is in LIBSVM's sparse format; save it as CSV, with all of its columns",
        ),
        (
            "age\trate\tlenses\nd\tdiscrete\td\n\t\tclass\nyoung\tlow\tnone\nold\thigh\tsoft\n",
            "its second and third lines say what its columns are, as in tables of Orange; "
            "remove them, as by: sed 2,3d, and name the label by --label-column",
        ),
        (
            "a,b,c,y\nc,continuous,red green,d\ni,m,,class\n" + "1,2,red,x\n3,4,green,y\n" * 2,
            "its second and third lines say what its columns are, as in tables of Orange; "
            "remove them, as by: sed 2,3d, and name the label by --label-column",
        ),
    ],
)
def test_what_is_said_of_a_table_that_cannot_be_used(content: str | bytes, message: str) -> None:
    assert refusal(content) == f"t.csv: {message}"


@pytest.mark.parametrize(
    "content",
    [
        "PAR1\tPAR2\ty\n1\t2\ta\n",
        "BZh1,BZh2,y\n1,2,a\n",
        "<lod,>lod,y\n1,2,a\n",
        "version,size,y\n1,2,a\n",
        "09:30 17:45 1\n10:00 18:15 2\n",
        "1 09:30 17:45\n2 10:00 18:15\n",
        "1 2:1 0:3\n2 1:1 0:0\n",
        "cap,gill,kind\nc,d,s\nc,m,i\nd,t,s\n",
        "cap,gill,kind\nblue,c,green\nc,m,\nd,t,s\n",
    ],
    ids=["Parquet", "bzip2", "HTML", "Git LFS", "times", "times behind", "ratios", "c", "colours"],
)
def test_a_table_may_begin_somewhat_like_what_is_none(content: str) -> None:
    assert TableReader(io.BytesIO(content.encode()), "t.csv").width == 3


@pytest.mark.parametrize(
    ("content", "wanted", "message"),
    [
        ("sepal,species\n1,2\n3,4\n", "specis", "no column 'specis'; did you mean 'species'?"),
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
    content = "".join(f"{i % 7},id{i}\n" for i in range(65_540))
    assert refusal(content) == (
        "t.csv: row 65537, column 2: more than 65,536 different labels; "
        "name the column of labels by --label-column"
    )


def test_a_wide_table() -> None:
    names = ",".join(f"g{i}" for i in range(20_000))
    row = ",".join(map(str, range(20_000)))
    table = read(f"{names},label\n{row},x\n{row},y\n", only=("g19999", "0"))
    assert table.X.tolist() == [[0, 19_999]] * 2


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_are_counted_across_blocks(end: str) -> None:
    """Blocks are cut in the middle of lines, and between the halves of a CRLF, somewhere."""
    lines = [f"{i + 5},{'é' * (i % 3)}{i % 7}" for i in range(200_000)]
    table = read(end.join(lines))
    assert len(table.X) == 200_000
    assert table.X[:, 0].tolist() == list(range(5, 200_005))
    lines[150_000] = "oops"
    assert refusal(end.join(lines)).startswith("t.csv: row 150001 has 1 column, expected 2")


def outcome(content: str | bytes, label: str | None) -> tuple[Any, ...]:
    try:
        table = read(content, label)
    except DataError as error:
        return (str(error),)
    assert table.labels is not None
    said = (table.label.name, table.left_out, table.notices, table.dropped)
    return table.columns, repr(table.X.tolist()), table.labels.tolist(), *said


cells = st.one_of(
    st.integers(-3, 3).map(str),
    st.floats(width=32).map(repr),
    st.sampled_from(["", "a", "b c", '"', '"x"', ' "x"', '"x" ', '"x""y"', '"x"y', "1e400", "NA"]),
    st.text(alphabet=' \t,;"\r\nxé1.-_\x0c\xa0', max_size=5),
)


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), max_size=5)
    ),
    st.sampled_from(["-1", "0"]),
)
def test_the_fast_parser_and_the_exact_one_agree(rows: list[list[str]], label: str | None) -> None:
    content = "\n".join(map(",".join, rows))
    quick = outcome(content, label)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_module, "split_block", lambda *_: None)
        assert outcome(content, label) == quick


finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
texts = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=8
).filter(lambda text: text.strip() == text and not is_number(text) and not is_missing(text))


def is_number(text: str) -> bool:
    return parse_written(text) is not None or parse_written(text, True) is not None


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
    content = text.getvalue().encode(encoding)
    found = read(content, delimiter=dialect.delimiter, header="yes", numeric=tuple(names[:-1]))
    assert (*names_of(found), found.label.name) == tuple(names)
    numbers = np.array([row[0] for row in rows], np.float32)
    np.testing.assert_array_equal(found.X.astype(np.float32), numbers)
    assert found.labels is not None
    assert found.labels.tolist() == [row[1] for row in rows]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_refused(content: bytes) -> None:
    assert_read_or_refused(content)


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
        assert "inf" not in found[1]


KEEL = """@relation t
@attribute a real [-30.0, 1.0]
@attribute b{x,y}
@inputs a
@outputs b
@data
"""
ARFF = """% 1. Title: t
%
@RELATION 'a table'

@ATTRIBUTE 'size of it'\tNUMERIC
@attribute "kind" {x, y}

@DATA
"""


@pytest.mark.parametrize(
    ("head", "names"), [(KEEL, ("a", "b")), (ARFF, ("size of it", "kind"))], ids=["KEEL", "ARFF"]
)
def test_names_are_found_in_the_head_of_an_arff_file(head: str, names: tuple[str, str]) -> None:
    table = read(f"{head}1, x\n?, y\n-3e1, x\n% a remark\n7,y\n")
    assert (names_of(table), table.label.name) == (names[:1], names[1])
    np.testing.assert_array_equal(table.X, [[1], [np.nan], [-30], [7]])
    assert table.labels is not None
    assert table.labels.tolist() == ["x", "y", "x", "y"]
    assert not table.notices


def test_cells_of_an_arff_file_are_quoted_as_weka_quotes_them() -> None:
    head = """@relation credit
@attribute 'it\\'s status' {'no checking','<0, or less','say "hi"', plain}
@attribute "a b" {1, 2, 3}
@attribute amount numeric
@attribute class {good, 'it\\'s bad'}
@data
"""
    rows = [
        """'no checking',1,5,good""",
        """'<0, or less', 2, ?, 'it\\'s bad'""",
        """'say "hi"',1,7.5,"it's bad" """,
        """?,3,-1e3,good""",
        """plain,2,4,good""",
    ]
    table = read(head + "\n".join(3 * rows) + "\n")
    assert names_of(table) == ("it's status", "a b", "amount")
    status, coded, _ = table.columns
    assert status.categories == ("<0, or less", "no checking", "plain", 'say "hi"')
    assert (coded.kind, coded.categories) == ("category", ("1", "2", "3"))
    np.testing.assert_array_equal(table.X[:5, 0], [1, 0, 3, np.nan, 2])
    np.testing.assert_array_equal(table.X[:5, 2], [5, np.nan, 7.5, -1000, 4])
    assert table.labels is not None
    assert table.labels[:4].tolist() == ["good", "it's bad", "it's bad", "good"]
    numbers = read(head + "\n".join(3 * rows) + "\n", numeric=("a b",))
    assert [column.kind for column in numbers.columns] == ["category", "number", "number"]


def test_a_sparse_arff_file_is_told_from_a_dense_one() -> None:
    head = "@relation s\n@attribute a real\n@attribute b {x,y}\n@data\n"
    said = "t.csv: is a sparse ARFF file; save it as a dense one, or CSV"
    assert refusal(head + "{0 5, 1 y}\n{1 x}\n{0 2}\n") == said


def test_declared_classes_are_classes_however_many_and_numbers_if_that_is_said() -> None:
    values = ",".join(map(str, range(30)))
    head = f"@relation t\n@attribute x real\n@attribute y {{{values}}}\n@data\n"
    content = head + "".join(f"{i * 7 % 11},{i % 30}\n" for i in range(120))
    assert read(content).of_classes
    assert not read(content, task="regression").of_classes


def test_a_name_may_begin_with_an_at_sign() -> None:
    assert names_of(read("@data,b,kind\n1,2,x\n3,4,y\n")) == ("@data", "b")


def test_remarks_among_the_rows_do_not_count_but_rows_that_look_like_them_do() -> None:
    table = read("a,b,kind\n1,2,x\n# half\n3,4,y\n#5,6,x\n% the end\n", numeric=("b",))
    assert table.labels is not None
    assert table.labels.tolist() == ["x", "y", "x"]
    assert table.X[:, -1].tolist() == [2, 4, 6]
    assert "row 3 has 1 column, expected 3" in refusal("a,b,kind\n1,2,x\nhalf\n3,4,y\n")


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("Report of 2024\n\n", "the first line is"),
        ("Sales,,\nMade 2024-01-01,,\n", "the first 2 lines are"),
        ("// made by a tool\n", "the first line is"),
    ],
)
def test_lines_before_the_header_are_left_out_and_that_is_said(before: str, said: str) -> None:
    table = read(f"{before}a,b,kind\n1,2,x\n3,4,y\n1,5,x\n")
    assert (names_of(table), table.label.name) == (("a", "b"), "kind")
    assert table.X.tolist() == [[1, 2], [3, 4], [1, 5]]
    assert table.notices == (f"t.csv: {said} left out: the columns' names come after",)


@pytest.mark.parametrize("before", ["|1x3 Cross validator\n", "Sales of\n2024\n"])
def test_so_are_lines_before_the_first_sample_if_they_have_not_as_many_cells(before: str) -> None:
    table = read(f"{before}1,2,x\n3,4,y\n1,5,x\n")
    assert table.X.tolist() == [[1, 2], [3, 4], [1, 5]]
    what = "line is" if before.count("\n") == 1 else "2 lines are"
    assert table.notices == (f"t.csv: the first {what} left out: the samples come after",)
    assert "row 2 has 3 columns, expected 2" in refusal("of,2024\n1,2,x\n3,4,y\n")


def test_a_number_with_a_unit_is_a_name_above_numbers_and_a_sample_above_others() -> None:
    rows = "".join(f"{i % 7},{i % 5},{i % 3}\n" for i in range(20))
    table = read(f"7d,30d,90d\n{rows}")
    assert (names_of(table), table.label.name, table.notices) == (("7d", "30d"), "90d", ())
    units = "".join(f"{i % 7} kg,{i % 5}d,{i % 3}\n" for i in range(20))
    bare = read(units)
    assert (names_of(bare), len(bare.X)) == ((None, None), 20)


def test_a_first_row_with_gaps_is_no_title() -> None:
    table = read("9,,\n2,5,x\n3,6,y\n4,7,x\n")
    assert table.X[:, 0].tolist() == [2, 3, 4]  # the first has no label
    assert table.dropped == 1
    blank = read(",,kind\n1,5,x\n3,4,y\n1,2,x\n2,2,y\n")
    assert blank.X.tolist() == [[1, 5], [3, 4], [1, 2], [2, 2]]


def test_any_number_of_delimiters_may_follow_each_row() -> None:
    table = read("a;b;kind;;;\n1;2;x;;;\n3;4;y;;;\n")
    assert (names_of(table), table.label.name) == (("a", "b"), "kind")
    late = "a;b;c;;;\n" + "1;2;x;;;\n" * 300 + "3;4;y;;5;\n"
    assert "row 302 has 6 columns, expected 3" in refusal(late)
