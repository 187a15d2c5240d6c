"""What a path leads to: tables and arrays, several files as one, files beside a table."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mlpcli.data import readings
from mlpcli.data.columns import UNSEEN, Column, LabelColumn, Layout, TableOptions
from mlpcli.data.dataset import Dataset
from mlpcli.data.formats.inputs import Wanted, open_inputs
from mlpcli.data.formats.rows import open_paths
from mlpcli.data.split import split
from mlpcli.errors import DataError, UsageError

KINDS = (
    "give a table (.csv, .tsv, .txt, .data, .gz), a .parquet, an .npz with X and y, "
    "a folder with X.npy and y.npy, or a folder of four IDX files"
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "flowers.csv"
    path.write_text("a,b,kind\n1,2,x\n3,4,y\n")
    return path


def opened(path: Path | str, *more: Path, **options: str | None) -> Dataset:
    parts = {name: options.pop(name, None) for name in ("test", "val")}
    paths = [str(path), *map(str, more)]
    return open_paths(paths, TableOptions(**options), **parts)  # type: ignore[arg-type]


def test_a_table(table: Path) -> None:
    data = opened(table)
    assert data.source == str(table)
    assert data.X.tolist() == [[1, 2], [3, 4]]
    assert data.y.tolist() == ["x", "y"]
    assert data.columns == (Column("a", 0), Column("b", 1))
    assert (data.label.name, data.label.position, data.file_width) == ("kind", 2, 3)
    assert (data.image_shape, data.test_fraction) == (None, 0.2)


def test_the_label_column_is_the_last_or_another(table: Path) -> None:
    table.write_text("a,b,-1\n1,2,3\n4,5,6\n")
    assert opened(table).label.name == "-1"
    assert opened(table, label_column="a").y.tolist() == [1, 4]
    assert opened(table, label_column="-3").label.name == "a"
    with pytest.raises(DataError, match="no column 'c'; there is 'a', 'b', '-1'"):
        opened(table, label_column="c")


@pytest.mark.parametrize(
    "suffix", [".csv", ".CSV", ".tsv", ".txt", ".data", ".TSV", ".tab", ".train", ".test", ".tes"]
)
@pytest.mark.parametrize("packed", [False, True])
def test_suffixes_of_text(tmp_path: Path, suffix: str, packed: bool) -> None:
    mark = "\t" if suffix.lower() == ".tsv" else " " if suffix == ".data" else ","
    text = "\n".join(map(mark.join, (["a", "kind"], ["1.5", "x"], ["2.5", "y"]))).encode()
    path = tmp_path / f"t{suffix}{'.gz' if packed else ''}"
    path.write_bytes(gzip.compress(text) if packed else text)
    data = opened(path)
    assert data.X.tolist() == [[1.5], [2.5]]
    assert data.y.tolist() == ["x", "y"]
    assert data.digest == hashlib.sha256(text).hexdigest()


def test_gzip_is_known_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(gzip.compress(b"a,kind\n1.5,x\n2.5,y\n"))
    assert opened(tmp_path / "t.csv").X.tolist() == [[1.5], [2.5]]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    mark = "" if encoding == "utf-16" else "\ufeff"
    (tmp_path / "t.csv").write_bytes((mark + "größe;art\n1,5;Föhre\n2,5;日本\n").encode(encoding))
    data = opened(tmp_path / "t.csv")
    assert data.columns == (Column("größe", 0, decimal=","),)
    assert data.X.tolist() == [[1.5], [2.5]]
    assert data.y.tolist() == ["Föhre", "日本"]


def test_standard_input_and_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise AssertionError

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Pipe(b"a,kind\n1,x\n2,y\n5,x\n")))
    data = opened("-")
    assert data.X.tolist() == [[1], [2], [5]]
    fifo = tmp_path / "fifo.csv"
    os.mkfifo(fifo)
    if os.fork() == 0:
        fifo.write_text("a,kind\n1,x\n2,y\n7,x\n")
        os._exit(0)
    assert opened(fifo).X.tolist() == [[1], [2], [7]]
    os.wait()


def test_what_a_shell_opens_for_a_command_is_a_table() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"a,kind\n1,x\n2,y\n7,x\n")
    os.close(writing)
    assert opened(Path(f"/dev/fd/{reading}")).X.tolist() == [[1], [2], [7]]
    os.close(reading)


def test_several_files_are_one_table(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("n,colour,size,kind\n0,red,1.5,x\n1,blue,2.5,y\n2,red,9,x\n")
    (tmp_path / "2.csv").write_text("kind;size;n;colour\ny;3.5;0;green\nx;;1;red\n")
    data = opened(tmp_path / "1.csv", tmp_path / "2.csv")
    assert data.columns == (
        Column("colour", 1, "category", ("blue", "green", "red")),
        Column("size", 2),
    )
    assert data.left_out[0].reason == "counts the rows"
    np.testing.assert_array_equal(data.X, [[2, 1.5], [0, 2.5], [2, 9], [1, 3.5], [2, np.nan]])
    assert data.y.tolist() == ["x", "y", "x", "y", "x"]
    assert data.files == (str(tmp_path / "1.csv"), str(tmp_path / "2.csv"))
    assert data.digest != opened(tmp_path / "2.csv", tmp_path / "1.csv").digest


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("a,c,kind\n1,2,x\n", r"2\.csv: no column 'b'; there is 'a', 'c', 'kind'"),
        ("a,kind\n1,x\n", r"2\.csv: has 2 columns, .*flowers\.csv has 3; several tables must have"),
    ],
)
def test_several_files_of_other_columns_are_refused(
    tmp_path: Path, table: Path, second: str, message: str
) -> None:
    (tmp_path / "2.csv").write_text(second)
    with pytest.raises(DataError, match=message):
        opened(table, tmp_path / "2.csv")


def test_several_files_of_other_decimal_marks_are_refused(tmp_path: Path) -> None:
    """In 2.csv, 1,234 would be read as thousands, as by the points of 1.csv it may be."""
    (tmp_path / "1.csv").write_text("a,b,kind\n0.5,1.5,x\n2,2,y\n")
    (tmp_path / "2.csv").write_text("a;b;kind\n0,5;1,234;x\n2,25;2,345;y\n")
    (tmp_path / "3.csv").write_text("a;b;kind\n5;1,234;x\n2;2,345;y\n")
    with pytest.raises(DataError) as raised:
        opened(tmp_path / "1.csv", tmp_path / "2.csv")
    assert str(raised.value) == (
        f"{tmp_path}/2.csv: its numbers have a decimal comma, those of {tmp_path}/1.csv a point; "
        "write them alike"
    )
    with pytest.raises(DataError, match=r"1\.csv: .* a decimal point, those of .*2\.csv a comma"):
        opened(tmp_path / "2.csv", tmp_path / "1.csv")
    assert opened(tmp_path / "1.csv", tmp_path / "3.csv").X[:, 1].tolist() == [1.5, 2, 1234, 2345]
    assert opened(tmp_path / "2.csv", tmp_path / "3.csv").X[-1].tolist() == [
        2,
        pytest.approx(2.345),
    ]


def test_rows_beside_a_table_are_for_testing_and_validation(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("size,colour,kind\n" + "1.5,red,1.0\n2,blue,0.0\n" * 20)
    (tmp_path / "test.csv").write_text("kind,colour,size\n1,red,3\n0,green,4\n,red,5\n")
    (tmp_path / "val.csv").write_text("7,blue,1.0\n8,,0.0\n")
    data = opened(
        tmp_path / "train.csv", test=str(tmp_path / "test.csv"), val=str(tmp_path / "val.csv")
    )
    assert data.y.tolist()[:2] == ["1.0", "0.0"]
    assert data.X_test is not None
    assert data.X_val is not None
    assert data.X_test.tolist() == [[3, 1], [4, -1]]  # green is not known
    np.testing.assert_array_equal(data.X_val, [[7, 0], [8, np.nan]])
    parts = split(data)
    assert (len(parts.train), len(parts.val or ()), len(parts.test or ())) == (40, 2, 2)
    assert parts.test is not None
    assert parts.test.y.tolist() == [1, 0]
    assert data.notices[-1] == f"{tmp_path / 'test.csv'}: 1 row without a label left out"
    assert data.digest != opened(tmp_path / "train.csv").digest


def test_groups_stay_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    people, kinds = rng.integers(0, 40, 400), rng.integers(0, 2, 400)
    rows = [f"{i % 17},p{p},{k}\n" for i, (p, k) in enumerate(zip(people, kinds, strict=True))]
    (tmp_path / "t.csv").write_text("x,who,kind\n" + "".join(rows))
    data = opened(tmp_path / "t.csv", group="who")
    assert data.columns == (Column("x", 0),)
    parts = split(data, seed=3)
    assert parts.val is not None
    assert parts.test is not None
    of = [set(people[part.rows].tolist()) for part in (parts.train, parts.val, parts.test)]
    assert not (of[0] & of[1])
    assert not (of[0] & of[2])
    assert not (of[1] & of[2])
    assert len(parts.test) == pytest.approx(80, abs=12)
    assert len(parts.val) == pytest.approx(32, abs=12)
    again = split(data, seed=4)
    assert again.test is not None
    assert again.test.rows.tolist() == parts.test.rows.tolist()


@pytest.mark.parametrize("first", ["p", ""], ids=["text", "numbers first"])
def test_groups_are_told_apart_however_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    monkeypatch.setattr(readings, "MAX_TEXTS", 50)
    people = [f"{first if i < 300 else 'p'}{i // 3}" for i in range(1200)]
    rows = [f"{i % 17},{p},{i % 2}\n" for i, p in enumerate(people)]
    (tmp_path / "t.csv").write_text("x,who,kind\n" + "".join(rows))
    data = opened(tmp_path / "t.csv", group="who")
    assert data.groups is not None
    assert np.bincount(data.groups).tolist() == [3] * 400


def test_groups_that_are_long_numbers_are_told_apart(tmp_path: Path) -> None:
    rows = [f"{i % 17},{10**17 + i // 3},{i % 2}\n" for i in range(300)]
    (tmp_path / "t.csv").write_text("x,who,kind\n" + "".join(rows))
    data = opened(tmp_path / "t.csv", group="who")
    assert data.groups is not None
    assert np.bincount(data.groups).tolist() == [3] * 100


def test_one_class_only_is_for_evaluation(table: Path) -> None:
    table.write_text("a,kind\n1,x\n2,x\n")
    with pytest.raises(DataError, match=r"flowers\.csv: every training row has the label x"):
        split(opened(table))


def test_a_folder_of_idx_files_is_left_to_their_reader(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(DataError, match="has no train-labels-idx1-ubyte"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.csv", f"does not exist; {KINDS.replace('give', 'give')}"),
        ("notes.doc", f"not a kind of file that can be read; {KINDS}"),
        ("empty", f"a folder with neither X.npy and y.npy nor IDX files; {KINDS}"),
        ("folder.csv", f"a folder with neither X.npy and y.npy nor IDX files; {KINDS}"),
        ("book.xlsx", "is an Excel workbook; save the sheet as CSV"),
        ("rows.json", "is JSON; save the table as CSV or Parquet"),
        ("a9a.svm", "is in LIBSVM's sparse format; save it as CSV, with all of its columns"),
        ("all.zip", "is a zip archive; unpack it, and give the table that is in it"),
        ("all.tar.gz", "is an archive; unpack it, and give the table that is in it"),
    ],
)
def test_nothing_that_can_be_read(tmp_path: Path, name: str, message: str) -> None:
    for file in ("notes.doc", "book.xlsx", "rows.json", "a9a.svm", "all.zip", "all.tar.gz"):
        (tmp_path / file).write_bytes(b"PK")
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.csv").mkdir()
    for options in ({}, {"label_column": "kind"}):
        if message.startswith(("a folder", "not a kind")) and options:
            continue
        with pytest.raises(DataError) as refused:
            opened(tmp_path / name, **options)
        assert str(refused.value) == f"{tmp_path / name}: {message}"


@pytest.mark.parametrize("name", ["data.npz", "folder"])
def test_a_label_column_is_for_tables(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "data.npz").write_bytes(b"")
    with pytest.raises(UsageError) as refused:
        opened(tmp_path / name, label_column="3")
    path = tmp_path / name
    assert str(refused.value) == f"--label-column is for tables, and {path} is not one"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(table: Path) -> None:
    table.chmod(0)
    with pytest.raises(DataError) as refused:
        opened(table)
    assert str(refused.value) == f"{table}: cannot be read: Permission denied"


def test_rows_to_predict_may_lack_labels(tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("kind,size,colour\nx,1,red\n,2,teal\ny,,red\n")
    columns = (Column("colour", 0, "category", ("blue", "red")), Column("size", 2))
    layout = Layout(columns, LabelColumn("kind", 3), 4, ("x", "y"))
    wanted = Wanted(Path("m.npz"), 2, "t.csv", layout, None, None)
    with open_inputs(str(tmp_path / "new.csv"), [wanted]) as opened:
        (rows,) = opened.inputs
    np.testing.assert_array_equal(rows.X, [[1, 1], [UNSEEN, 2], [1, np.nan]])
    assert rows.labels is not None
    assert rows.labelled is not None
    assert rows.labels[rows.labelled].tolist() == ["x", "y"]
    assert rows.labelled.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.xlsx", "x.xlsx: is an Excel workbook; save the sheet as CSV"),
        ("x.npz", "x.npz: is no table beside a table; give a table (.csv"),
        ("gone.csv", "gone.csv: does not exist; give a table (.csv"),
    ],
)
@pytest.mark.parametrize("part", ["test", "val"])
def test_what_is_no_table_beside_a_table_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("a,kind\n1,x\n2,y\n")
    if "gone" not in name:
        Path(name).touch()
    with pytest.raises(DataError, match="^" + re.escape(message)):
        open_paths(["t.csv"], TableOptions(), **{part: name})
