"""A few of the faults of `make faults`, if strace is there."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def faults() -> Any:
    spec = importlib.util.spec_from_file_location("faults", Path(__file__).with_name("faults.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["faults"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def origin(faults: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    folder = tmp_path_factory.mktemp("faults") / "work"
    folder.mkdir()
    faults.prepare(folder)
    return folder


@pytest.mark.parametrize(
    ("case", "call", "how"),
    [
        ("train", "fsync", "ENOSPC"),
        ("train", "rename", "EACCES"),
        ("train", "fchmod", "EPERM"),
        ("resume", "write", "SIGTERM"),
        ("predict", "fsync", "double SIGTERM"),
        ("predict", "rename", "SIGKILL"),
    ],
)
def test_a_command_survives_a_fault(
    faults: Any, origin: Path, case: str, call: str, how: str
) -> None:
    chosen = next(one for one in faults.CASES if one.name == case)
    assert faults.disturb(origin, chosen, faults.Fault(call, 1, how)) is None


def test_what_is_wrong_is_found(faults: Any, tmp_path: Path) -> None:
    case, fault = faults.CASES[0], faults.Fault("fsync", 1, "EIO")
    before = {"points.csv": b"1"}
    (tmp_path / "points.csv").write_bytes(b"1")
    assert faults.judge(tmp_path, case, fault, before, 1, "mlp: it failed\n") is None
    assert "says 2 lines" in faults.judge(tmp_path, case, fault, before, 1, "mlp: a\nmlp: b\n")
    assert "says: " in faults.judge(tmp_path, case, fault, before, 1, "Traceback (most …")
    assert "ends with 77" in faults.judge(tmp_path, case, fault, before, 77, "mlp: a")
    (tmp_path / "model.npz").write_bytes(b"half")
    said = faults.judge(tmp_path, case, fault, before, 0, "")
    assert said == "model.npz is half-written"
    (tmp_path / "model.npz").unlink()
    (tmp_path / ".model.npz.abc.tmp").touch()
    assert "is left" in faults.judge(tmp_path, case, fault, before, 0, "")
    (tmp_path / "points.csv").write_bytes(b"2")
    assert faults.judge(tmp_path, case, fault, before, 0, "") == "points.csv has changed"
