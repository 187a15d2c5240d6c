"""A short form of `make fuzz`; what the fuzzer calls wrong is tried on it first."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

FUZZ = Path(__file__).parent / "fuzz.py"


@pytest.mark.long
def test_no_damaged_file_ends_in_anything_but_an_answer() -> None:
    result = subprocess.run(
        [sys.executable, FUZZ, "--inputs", "300", "--seed", "0", "--jobs", "1"],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^3\d\d inputs in \d+ s; 0 wrong; ", result.stdout, re.M), result.stdout
    for target in ("checkpoint", "csv", "idx", "npz", "npy", "toml", "log", "options", "extremes"):
        assert re.search(rf"^{target} +\d+ inputs", result.stdout, re.M)


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = spec_from_file_location("fuzz", FUZZ)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("code", "out", "err", "wrong"),
    [
        (0, "", "", ""),
        (3, "", "a notice\nmlp: no\n", ""),
        (1, "", "mlp: no\n", "exit code 1"),
        (-1, "", "", "exit code -1"),
        (3, "", "", "not one line"),
        (3, "", "mlp: no\nmore\n", "not one line"),
        (3, "", "mlp: no\nmlp: no\n", "not one line"),
        (3, "", "mlp: " + "x" * 3000, "not one line"),
        (3, "", "mlp: a defect of mlp, please report it", "a defect"),
        (0, "", "RuntimeWarning: overflow", "RuntimeWarning"),
        (3, "", "mlp: \x1b[2J", "unprintable"),
        (0, "", "mlp: no\n", "an error and exit code 0"),
    ],
)
def test_what_the_fuzzer_calls_wrong(
    fuzz: Any, tmp_path: Path, code: int, out: str, err: str, wrong: str
) -> None:
    case = SimpleNamespace(codes={0, 3, 4}, command=("show",))
    said = fuzz.wrong_with(case, tmp_path, code, out, err)
    assert wrong in said if wrong else said == ""


def test_a_file_that_is_left_behind_is_wrong(fuzz: Any, tmp_path: Path) -> None:
    (tmp_path / ".out.npz.abc.tmp").touch()
    case = SimpleNamespace(codes={0}, command=("show",))
    assert "left behind" in fuzz.wrong_with(case, tmp_path, 0, "", "")


def test_an_input_is_always_the_same(fuzz: Any, tmp_path: Path) -> None:
    seeds = {"csv": {"1.csv": fuzz.TABLE}, "fixed": {"points.csv": fuzz.TABLE, "p.npz": b""}}
    for index in range(30):
        one, two = fuzz.case(seeds, 5, index), fuzz.case(seeds, 5, index)
        assert (one.files, one.command) == (two.files, two.command)
