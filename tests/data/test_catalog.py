"""Which data sets have a name, and where downloads lie."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlpcli.data import builtin, catalog
from mlpcli.data.formats import idx
from mlpcli.data.source import open_data
from mlpcli.errors import DataError, UsageError


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("MLP_DATA_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/ada")
    return monkeypatch


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
    assert open_data("digits", data_dir=directory).X.shape == (1797, 64)
    with pytest.raises(UsageError) as error:
        open_data("mnist", data_dir=directory)
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


def test_what_is_built_in_can_be_opened() -> None:
    assert set(catalog.BUILT_IN) - set(catalog.TABLES) == set(builtin.ARRAYS)
    assert set(catalog.TABLES) == set(builtin.TABLES)
    assert set(catalog.FILL_THEIR_FRAME) <= set(catalog.NAMES)


def test_no_two_files_share_a_digest() -> None:
    files = [file for data_set in catalog.DOWNLOADS.values() for file in data_set.files]
    assert len({digest for file in files for digest in (file.sha256, file.gz_sha256)}) == 16


def test_a_file_of_the_wrong_size_does_not_count_as_downloaded(data_dir: Path) -> None:
    assert catalog.is_downloaded("fashion-mnist", data_dir)
    with (data_dir / "fashion-mnist" / "t10k-labels-idx1-ubyte").open("ab") as file:
        file.write(b"\0")
    assert not catalog.is_downloaded("fashion-mnist", data_dir)
    with pytest.raises(DataError, match="not downloaded"):
        open_data("fashion-mnist", data_dir=data_dir)


def test_the_default_is_mnist_when_it_is_there(data_dir: Path) -> None:
    assert catalog.default_source(data_dir) == "digits"
    (data_dir / "mnist").mkdir()
    for file in catalog.DOWNLOADS["mnist"].files:
        with (data_dir / "mnist" / file.name).open("wb") as sparse:
            sparse.truncate(file.size)
    assert catalog.default_source(data_dir) == "mnist"
