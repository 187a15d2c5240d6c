"""What a path leads to, and a table's columns matched by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlpcli.data.columns import Column
from mlpcli.data.formats.rows import open_path
from mlpcli.data.split import split
from mlpcli.errors import DataError, UsageError

KINDS = (
    "give a .csv or .tsv table, an .npz with X and y, a folder with X.npy and y.npy, "
    "or a folder of four IDX files"
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "flowers.csv"
    path.write_text("a,b,kind\n1,2,x\n3,4,y\n")
    return path


def test_a_table(table: Path) -> None:
    data = open_path(table, "flowers.csv")
    assert data.source == "flowers.csv"
    assert data.X.tolist() == [[1, 2], [3, 4]]
    assert data.y.tolist() == ["x", "y"]
    assert data.columns == (Column("a", 0), Column("b", 1))
    assert data.label_name == "kind"
    assert (data.image_shape, data.test_fraction) == (None, 0.2)


def test_the_label_column_is_the_last_or_another(table: Path) -> None:
    table.write_text("a,b,-1\n1,2,3\n4,5,6\n")
    assert open_path(table, "t").label_name == "-1"
    assert open_path(table, "t", label_column="a").y.tolist() == [1, 4]
    assert open_path(table, "t", label_column="-3").label_name == "a"
    with pytest.raises(DataError, match="t: no column 'c'; there is 'a', 'b', '-1'"):
        open_path(table, "t", label_column="c")


def test_a_table_of_tabs(tmp_path: Path) -> None:
    path = tmp_path / "flowers.TSV"
    path.write_text("a, or b\tkind\n1\tx\n")
    assert open_path(path, "t").columns == (Column("a, or b", 0),)


def test_one_class_only_is_for_evaluation(table: Path) -> None:
    table.write_text("a,kind\n1,x\n2,x\n")
    data = open_path(table, "flowers.csv")
    with pytest.raises(DataError, match=r"flowers\.csv: every training row has the label x"):
        split(data)


def test_a_folder_of_idx_files_is_left_to_their_reader(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(DataError, match="has no train-labels-idx1-ubyte"):
        open_path(tmp_path, "folder")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.csv", "does not exist"),
        ("notes.xlsx", "not a kind of file that can be read"),
        ("empty", "a folder with neither X.npy and y.npy nor IDX files"),
        ("folder.csv", "a folder with neither X.npy and y.npy nor IDX files"),
    ],
)
def test_nothing_that_can_be_read(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "notes.xlsx").write_bytes(b"PK")
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError) as refused:
        open_path(tmp_path / name, name)
    assert str(refused.value) == f"{name}: {message}; {KINDS}"


@pytest.mark.parametrize("name", ["data.npz", "folder"])
def test_a_label_column_is_for_tables(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "data.npz").write_bytes(b"")
    with pytest.raises(UsageError) as refused:
        open_path(tmp_path / name, name, label_column="3")
    assert str(refused.value) == (
        f"--label-column is for .csv and .tsv tables, and {name} is not one"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(table: Path) -> None:
    table.chmod(0)
    with pytest.raises(DataError) as refused:
        open_path(table, "flowers.csv")
    assert str(refused.value) == "flowers.csv: cannot be read: Permission denied"


def test_columns_are_matched_by_name(table: Path) -> None:
    table.write_text("kind,id,b,a\nx,first,2,1\ny,second,4,3\n")
    data = open_path(table, "t", columns=("a", "b"), label_name="kind")
    assert data.columns == (Column("a", 3), Column("b", 2))
    assert data.X.tolist() == [[1, 2], [3, 4]]
    assert data.y.tolist() == ["x", "y"]
    data = open_path(table, "t", columns=("b",), label_name="kind", label_column="a")
    assert data.X.tolist() == [[2], [4]]
    assert data.y.tolist() == [1, 3]


def test_without_a_header_there_are_no_names_to_match(table: Path) -> None:
    table.write_text("1,2,x\n3,4,y\n")
    data = open_path(table, "t", columns=("b", "a"), label_name="kind")
    assert data.columns == (Column(None, 0), Column(None, 1))
    assert data.X.tolist() == [[1, 2], [3, 4]]
    assert data.y.tolist() == ["x", "y"]


@pytest.mark.parametrize(
    ("columns", "label_name", "message"),
    [
        (("a", "length"), "kind", "no column 'length'; there is 'a', 'b', 'kind'"),
        (("a", "b"), "kid", "no column 'kid'; did you mean 'kind'?"),
        (("0", "1"), "kind", "no column '0'; there is 'a', 'b', 'kind'"),  # no index
    ],
)
def test_a_column_that_a_model_needs_and_is_not_there(
    table: Path, columns: tuple[str, ...], label_name: str, message: str
) -> None:
    with pytest.raises(DataError) as refused:
        open_path(table, "t", columns=columns, label_name=label_name)
    assert str(refused.value) == f"t: {message}"
