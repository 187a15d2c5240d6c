"""`mlp download` as it is called: what it prints, and where what it fetches goes."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlpcli.cli.download import download
from mlpcli.data import catalog
from mlpcli.errors import DownloadError, UsageError

CONTENT = b"\0\0\x08\x01\0\0\0\x02\x00\x01"
FILE = catalog.RemoteFile(
    "labels",
    len(CONTENT),
    hashlib.sha256(CONTENT).hexdigest(),
    100_000,
    hashlib.sha256(gzip.compress(CONTENT, mtime=0)).hexdigest(),
)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a mirror of MNIST as a single file; it is Fashion-MNIST's own mirror, too."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "labels.gz").write_bytes(gzip.compress(CONTENT))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("MLP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *args: None)
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        for name, mirrors in (("mnist", ()), ("fashion-mnist", (url,))):
            small = replace(catalog.DOWNLOADS[name], files=(FILE,), mirrors=mirrors)
            monkeypatch.setitem(catalog.DOWNLOADS, name, small)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield url
        server.shutdown()
        thread.join()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(download, arguments)


def test_fetches_mnist_unless_told_otherwise(mirror: str, tmp_path: Path) -> None:
    result = run("--mirror", mirror)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == (
        f"mnist: fetching 0.1 MB from {mirror}\n"
        f"mnist: downloaded to {tmp_path}/data/mnist, 0.0 MB\n"
    )
    assert (tmp_path / "data" / "mnist" / "labels").read_bytes() == CONTENT
    result = run("--mirror", mirror)
    assert result.stderr == f"mnist: already in {tmp_path}/data/mnist, digests verified\n"
    result = run("--mirror", mirror, "--force")
    assert "downloaded to" in result.stderr


def test_fetches_several_into_another_directory(mirror: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    result = run("fashion-mnist", "digits", "--data-dir", str(other))
    assert result.exit_code == 0
    assert (other / "fashion-mnist" / "labels").read_bytes() == CONTENT
    assert result.stderr.endswith("digits: comes with mlp; nothing to download\n")


def test_quiet_says_nothing(mirror: str) -> None:
    result = run("--mirror", mirror, "-q")
    assert (result.exit_code, result.output) == (0, "")


def test_lists_what_there_is_and_what_is_here(mirror: str, tmp_path: Path) -> None:
    run("--mirror", mirror)
    result = run("--list")
    assert result.stdout == (
        f"mnist          downloaded      0.0 MB           {tmp_path}/data/mnist\n"
        f"fashion-mnist  not downloaded  0.1 MB to fetch  {tmp_path}/data/fashion-mnist\n"
        "digits         built in                         embedded in the package\n"
        "spiral         built in                         generated\n"
        "penguins       built in                         a table, embedded in the package\n"
    )


def test_json_lists_every_file_with_its_status(mirror: str, tmp_path: Path) -> None:
    path = tmp_path / "data" / "mnist" / "labels"

    def status(*arguments: str) -> str:
        result = run(*arguments, "--json", "-q")
        assert (result.exit_code, result.stderr) == (0, "")
        (file,) = json.loads(result.stdout)["files"]
        assert file == {"name": "labels", "path": str(path), "status": file["status"]}
        return file["status"]

    assert status("mnist", "--list") == "missing"
    assert status("--mirror", mirror) == "downloaded"
    assert status("--mirror", mirror) == "present"
    assert status("mnist", "--list") == "present"
    path.write_bytes(bytes(len(CONTENT)))
    assert status("mnist", "--list") == "damaged"
    assert status("--mirror", mirror) == "downloaded"
    assert status("--mirror", mirror, "--force") == "downloaded"


def test_json_of_several_data_sets_is_one_object(mirror: str, tmp_path: Path) -> None:
    result = run("fashion-mnist", "digits", "--json")
    assert json.loads(result.stdout) == {
        "files": [
            {
                "name": "labels",
                "path": str(tmp_path / "data" / "fashion-mnist" / "labels"),
                "status": "downloaded",
            }
        ]
    }
    assert [file["status"] for file in json.loads(run("--list", "--json").stdout)["files"]] == [
        "missing",
        "present",
    ]


def test_json_says_nothing_of_a_download_that_failed(mirror: str) -> None:
    result = run("--mirror", f"{mirror}/elsewhere", "--json")
    assert isinstance(result.exception, DownloadError)
    assert result.stdout == ""


def test_a_damaged_file_does_not_count_in_the_list(mirror: str, tmp_path: Path) -> None:
    run("--mirror", mirror)
    (tmp_path / "data" / "mnist" / "labels").write_bytes(bytes(len(CONTENT)))
    assert run("--list").stdout.splitlines()[0].split()[:3] == ["mnist", "not", "downloaded"]


def test_verbose_names_every_file(mirror: str, tmp_path: Path) -> None:
    result = run("--mirror", mirror, "-v")
    assert result.stderr.splitlines()[-1] == f"{tmp_path}/data/mnist/labels: downloaded"


def test_without_a_home_only_a_download_needs_a_directory(
    mlp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in `docker run -u 54321`: no HOME, and a user whom the system does not know."""
    for name in ("HOME", "XDG_CACHE_HOME", "MLP_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    mlp.ok("train", "--data", "digits", "--hidden", "4", "--epochs", "1")
    mlp.ok("train", "--hidden", "4", "--epochs", "1")
    mlp.ok("evaluate", "model.npz")
    mlp.ok("gradcheck", "--hidden", "4")
    mlp.ok("show", "model.npz")
    assert "not downloaded" in mlp.ok("download", "--list").out
    mlp.ok("download", "digits")
    assert mlp.error("download") == (
        2,
        "~/.cache/mlp: that home folder is not known; name a data directory by --data-dir",
    )


def test_a_mirror_serves_one_data_set(mirror: str) -> None:
    error = run("mnist", "fashion-mnist", "--mirror", mirror).exception
    assert isinstance(error, UsageError)
    assert str(error) == (
        "--mirror: every data set has files of the same names, so a mirror serves only one; "
        "download one data set at a time"
    )


def test_a_download_that_fails_is_an_error(mirror: str) -> None:
    error = run("--mirror", f"{mirror}/elsewhere").exception
    assert isinstance(error, DownloadError)
    assert str(error) == (
        f"mnist: {mirror}/elsewhere/labels.gz: answers 404 Not Found; "
        "try again later, or name another mirror by --mirror URL"
    )


def test_an_unknown_name_is_a_usage_error(mirror: str) -> None:
    result = run("minst")
    assert result.exit_code == 2
    assert "'minst' is not one of 'mnist', 'fashion-mnist', 'digits', 'spiral'" in result.stderr


def test_help_shows_examples_before_options() -> None:
    text = run("--help").stdout
    assert text.index("mlp download fashion-mnist") < text.index("Files and output:")


def test_importing_it_imports_neither_numpy_nor_requests() -> None:
    code = (
        "import sys, mlpcli.cli.download; "
        "print({'numpy', 'requests', 'urllib3', 'tqdm'} & set(sys.modules))"
    )
    root = Path(catalog.__file__).parents[2]
    assert subprocess.check_output([sys.executable, "-c", code], cwd=root, text=True) == "set()\n"
