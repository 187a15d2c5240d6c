"""What `--data` can be, and where downloads lie."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpcli.data import catalog
from mlpcli.data.columns import TableOptions
from mlpcli.data.formats import idx
from mlpcli.errors import DataError, UsageError


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("MLP_DATA_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/ada")
    return monkeypatch


@pytest.fixture
def data_dir(tmp_path: Path, published, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory that holds `published` under the name of Fashion-MNIST."""
    fashion = replace(catalog.DOWNLOADS["fashion-mnist"], files=published.data_set.files)
    monkeypatch.setitem(catalog.DOWNLOADS, "fashion-mnist", fashion)
    (tmp_path / "fashion-mnist").mkdir()
    for name, content in published.plain.items():
        (tmp_path / "fashion-mnist" / name).write_bytes(content)
    return tmp_path


def test_the_data_directory_is_the_first_that_is_given(environment: pytest.MonkeyPatch) -> None:
    assert catalog.data_dir() == Path("/home/ada/.cache/mlp")
    environment.setenv("XDG_CACHE_HOME", "relative")
    assert catalog.data_dir() == Path("/home/ada/.cache/mlp")
    environment.setenv("XDG_CACHE_HOME", "/var/cache/ada")
    assert catalog.data_dir() == Path("/var/cache/ada/mlp")
    environment.setenv("MLP_DATA_DIR", "~/data")
    assert catalog.data_dir() == Path("/home/ada/data")
    assert catalog.data_dir(Path("here")) == Path("here")


def test_a_home_that_is_not_known_is_a_usage_error(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("MLP_DATA_DIR", "~no-such-user/data")
    with pytest.raises(UsageError) as error:
        catalog.data_dir()
    assert str(error.value) == (
        "~no-such-user/data: that home folder is not known; name a data directory by --data-dir"
    )


@pytest.fixture
def homeless(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    """No HOME, and a user whom the system does not know, as in `docker run -u 54321`."""
    environment.delenv("HOME")
    environment.setattr(os, "getuid", lambda: 54321)


@pytest.mark.usefixtures("homeless")
def test_without_a_home_what_comes_with_mlp_opens(tmp_path: Path) -> None:
    directory = catalog.data_dir()
    assert catalog.default_source(directory) == "digits"
    assert catalog.open_data("digits", data_dir=directory).X.shape == (1797, 64)
    with pytest.raises(UsageError) as error:
        catalog.open_data("mnist", data_dir=directory)
    assert str(error.value) == (
        "~/.cache/mlp: that home folder is not known; name a data directory by --data-dir"
    )
    assert catalog.data_dir(tmp_path) == tmp_path


def test_importing_it_imports_neither_numpy_nor_requests() -> None:
    code = (
        "import sys, mlpcli.data.catalog as c; print(*c.NAMES); "
        "print({'numpy', 'requests', 'urllib3'} & set(sys.modules))"
    )
    root = Path(catalog.__file__).parents[2]
    output = subprocess.check_output([sys.executable, "-c", code], cwd=root, text=True)
    assert output.split("\n")[:2] == ["mnist fashion-mnist digits spiral penguins", "set()"]


@pytest.mark.parametrize("data_set", catalog.DOWNLOADS.values(), ids=lambda data_set: data_set.name)
def test_the_declared_files_fit_the_format(data_set: catalog.RemoteSet) -> None:
    assert tuple(file.name for file in data_set.files) == idx.FILES
    assert [file.size for file in data_set.files] == [
        *(16 + 60000 * 784, 8 + 60000),
        *(16 + 10000 * 784, 8 + 10000),
    ]
    for file in data_set.files:
        assert len(file.sha256) == len(file.gz_sha256) == 64
    assert all(mirror.startswith("https://") for mirror in data_set.mirrors[:1])


def test_no_two_files_share_a_digest() -> None:
    files = [file for data_set in catalog.DOWNLOADS.values() for file in data_set.files]
    assert len({digest for file in files for digest in (file.sha256, file.gz_sha256)}) == 16


def test_opens_a_downloaded_data_set(data_dir: Path, published) -> None:
    data = catalog.open_data("fashion-mnist", data_dir=data_dir)
    assert data.source == "fashion-mnist"
    assert data.X.shape == (400, 784)
    assert data.class_names is not None
    assert data.class_names[9] == "Ankle boot"
    # The same contents, whether they are known by name or had to be read.
    assert data.digest == idx.open_folder(data_dir / "fashion-mnist", "there").digest


def test_opening_a_downloaded_data_set_reads_none_of_it(data_dir: Path, reads_at_most) -> None:
    large = data_dir / "fashion-mnist" / "train-images-idx3-ubyte"
    catalog.open_data("fashion-mnist", data_dir=data_dir)
    with reads_at_most(large.stat().st_size // 4):
        data = catalog.open_data("fashion-mnist", data_dir=data_dir)
    assert isinstance(data.X, np.memmap)
    assert Path(str(data.X.filename)) == large


def test_a_damaged_data_set_is_refused(data_dir: Path) -> None:
    path = data_dir / "fashion-mnist" / "t10k-images-idx3-ubyte"
    catalog.open_data("fashion-mnist", data_dir=data_dir)
    content = path.read_bytes()
    path.write_bytes(content[:16] + bytes(len(content) - 16))  # it is still a good IDX file
    with pytest.raises(DataError) as error:
        catalog.open_data("fashion-mnist", data_dir=data_dir)
    assert str(error.value) == (
        f"{path}: damaged, its digest is not the published one; "
        f"get it again by: mlp download fashion-mnist --data-dir {data_dir}"
    )
    path.write_bytes(content)
    assert catalog.open_data("fashion-mnist", data_dir=data_dir).X.shape == (400, 784)


def test_what_was_not_downloaded_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLP_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError) as error:
        catalog.open_data("mnist", data_dir=tmp_path)
    assert str(error.value) == (
        f"mnist: not downloaded (looked in {tmp_path}/mnist); get it by: mlp download mnist"
    )
    elsewhere = tmp_path / "my data"
    with pytest.raises(DataError) as error:
        catalog.open_data("mnist", data_dir=elsewhere)
    assert str(error.value).endswith(f"get it by: mlp download mnist --data-dir '{elsewhere}'")


def test_a_file_of_the_wrong_size_does_not_count_as_downloaded(data_dir: Path) -> None:
    assert catalog.is_downloaded("fashion-mnist", data_dir)
    with (data_dir / "fashion-mnist" / "t10k-labels-idx1-ubyte").open("ab") as file:
        file.write(b"\0")
    assert not catalog.is_downloaded("fashion-mnist", data_dir)
    with pytest.raises(DataError, match="not downloaded"):
        catalog.open_data("fashion-mnist", data_dir=data_dir)


def test_the_default_is_mnist_when_it_is_there(data_dir: Path) -> None:
    assert catalog.default_source(data_dir) == "digits"
    (data_dir / "mnist").mkdir()
    for file in catalog.DOWNLOADS["mnist"].files:
        with (data_dir / "mnist" / file.name).open("wb") as sparse:
            sparse.truncate(file.size)
    assert catalog.default_source(data_dir) == "mnist"


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
        catalog.open_data(source, data_dir=tmp_path)
    assert str(error.value) == (
        f"{lead} --data takes mnist, fashion-mnist, digits, spiral, penguins, or the path of a "
        "table (.csv, .tsv, .txt, .data, .gz), a .parquet, an .npz with X and y, a folder with "
        "X.npy and y.npy, or a folder of four IDX files"
    )


def test_a_name_has_its_labels(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        catalog.open_data("digits", data_dir=tmp_path, options=TableOptions(label_column="digit"))
    assert str(error.value) == (
        "--label-column is for a table of your own; digits has its labels and its rows: "
        "leave it out"
    )


def test_what_comes_with_mlp_opens_anywhere(tmp_path: Path) -> None:
    assert catalog.open_data("digits", data_dir=tmp_path).X.shape == (1797, 64)
    assert catalog.open_data("spiral", data_dir=tmp_path).X.shape == (300, 2)


def test_a_path_is_a_persons_own_data(
    tmp_path: Path, published, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "digits").mkdir()
    for name, content in published.plain.items():
        (tmp_path / "digits" / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert catalog.open_data("./digits", data_dir=tmp_path).X.shape == (400, 784)
    assert catalog.open_data("~/digits", data_dir=tmp_path).source == "~/digits"
    assert catalog.open_data("digits", data_dir=tmp_path).source == "digits"
    assert catalog.open_data("digits", data_dir=tmp_path).X.shape == (1797, 64)
