"""What `--data` can be, opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlpcli.data.columns import TableOptions
from mlpcli.data.formats import idx
from mlpcli.data.source import open_data
from mlpcli.errors import DataError, UsageError


def test_opens_a_downloaded_data_set(data_dir: Path, published) -> None:
    data = open_data("fashion-mnist", data_dir=data_dir)
    assert data.source == "fashion-mnist"
    assert data.X.shape == (400, 784)
    assert data.class_names is not None
    assert data.class_names[9] == "Ankle boot"
    # The same contents, whether they are known by name or had to be read.
    assert data.digest == idx.open_folder(data_dir / "fashion-mnist", "there").digest


def test_opening_a_downloaded_data_set_reads_none_of_it(data_dir: Path, reads_at_most) -> None:
    large = data_dir / "fashion-mnist" / "train-images-idx3-ubyte"
    open_data("fashion-mnist", data_dir=data_dir)
    with reads_at_most(large.stat().st_size // 4):
        data = open_data("fashion-mnist", data_dir=data_dir)
    assert isinstance(data.X, np.memmap)
    assert Path(str(data.X.filename)) == large


def test_a_damaged_data_set_is_refused(data_dir: Path) -> None:
    path = data_dir / "fashion-mnist" / "t10k-images-idx3-ubyte"
    open_data("fashion-mnist", data_dir=data_dir)
    content = path.read_bytes()
    path.write_bytes(content[:16] + bytes(len(content) - 16))  # it is still a good IDX file
    with pytest.raises(DataError) as error:
        open_data("fashion-mnist", data_dir=data_dir)
    assert str(error.value) == (
        f"{path}: damaged, its digest is not the published one; "
        f"get it again by: mlp download fashion-mnist --data-dir {data_dir}"
    )
    path.write_bytes(content)
    assert open_data("fashion-mnist", data_dir=data_dir).X.shape == (400, 784)


def test_what_was_not_downloaded_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLP_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError) as error:
        open_data("mnist", data_dir=tmp_path)
    assert str(error.value) == (
        f"mnist: not downloaded (looked in {tmp_path}/mnist); get it by: mlp download mnist"
    )
    elsewhere = tmp_path / "my data"
    with pytest.raises(DataError) as error:
        open_data("mnist", data_dir=elsewhere)
    assert str(error.value).endswith(f"get it by: mlp download mnist --data-dir '{elsewhere}'")


@pytest.mark.parametrize(
    ("source", "lead"),
    [
        ("minst", "minst: no such data set or file; did you mean mnist?"),
        ("MNIST", "MNIST: no such data set or file; did you mean mnist?"),
        ("fashion_mnist", "fashion_mnist: no such data set or file; did you mean fashion-mnist?"),
        ("points.csv", "points.csv: no such data set or file;"),
        ("", "(nothing): no such data set or file;"),
        ("a\0b", "a\0b: no such data set or file;"),
    ],
)
def test_neither_a_name_nor_a_path(tmp_path: Path, source: str, lead: str) -> None:
    with pytest.raises(DataError) as error:
        open_data(source, data_dir=tmp_path)
    assert str(error.value) == (
        f"{lead} --data takes mnist, fashion-mnist, digits, spiral, penguins, or the path of a "
        "table (.csv, .tsv, .txt, .data, .gz), a .parquet, an .npz with X and y, a folder with "
        "X.npy and y.npy, or a folder of four IDX files"
    )


def test_a_name_has_its_labels(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        open_data("digits", data_dir=tmp_path, options=TableOptions(label_column="digit"))
    assert str(error.value) == (
        "--label-column is for a table of your own; digits has its labels and its rows: "
        "leave it out"
    )


def test_what_comes_with_mlp_opens_anywhere(tmp_path: Path) -> None:
    assert open_data("digits", data_dir=tmp_path).X.shape == (1797, 64)
    assert open_data("spiral", data_dir=tmp_path).X.shape == (300, 2)


def test_a_path_is_a_persons_own_data(
    tmp_path: Path, published, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "digits").mkdir()
    for name, content in published.plain.items():
        (tmp_path / "digits" / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_data("./digits", data_dir=tmp_path).X.shape == (400, 784)
    assert open_data("~/digits", data_dir=tmp_path).source == "~/digits"
    assert open_data("digits", data_dir=tmp_path).source == "digits"
    assert open_data("digits", data_dir=tmp_path).X.shape == (1797, 64)
