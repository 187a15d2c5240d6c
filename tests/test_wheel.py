"""The wheel holds what it needs and nothing else, and works where there is nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from email.parser import Parser
from importlib.metadata import distribution
from pathlib import Path

import pytest

setuptools = pytest.importorskip("setuptools", minversion="77", reason="extra dev has setuptools")

ROOT = Path(__file__).parents[1]
RUNTIME = {"numpy", "click", "tqdm", "requests"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources by the setuptools that is here."""
    sources = tmp_path_factory.mktemp("sources")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "mlpcli", sources / "mlpcli", ignore=ignore)
    shutil.copytree(ROOT / "configs", sources / "configs")
    shutil.copytree(ROOT / "tests", sources / "tests", ignore=ignore)  # must stay out
    for name in ("pyproject.toml", "README.md", "LICENSE", "Makefile"):
        shutil.copy(ROOT / name, sources)
    built = tmp_path_factory.mktemp("built")
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(built)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=sources, check=True, capture_output=True)
    (path,) = built.iterdir()
    return path


def test_it_holds_the_package_and_its_data_and_nothing_else(wheel: Path) -> None:
    assert re.fullmatch(r"mlpcli-[\d.]+-py3-none-any\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        about = {Path(name).name for name in archive.namelist()} - {Path(n).name for n in names}
    here = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "mlpcli").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "README.md"
    }
    configs = {f"mlpcli/configs/{path.name}" for path in (ROOT / "configs").glob("*.toml")}
    assert configs
    assert names == here | configs
    assert {"mlpcli/py.typed", "mlpcli/evaluation/report.css"} < names
    assert about == {"METADATA", "WHEEL", "RECORD", "LICENSE", "entry_points.txt", "top_level.txt"}
    assert wheel.stat().st_size < 1_000_000


def test_it_asks_for_what_it_needs_and_no_more(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        meta = Parser().parsestr(archive.read(name).decode())
    needs = [text for text in meta.get_all("Requires-Dist", []) if "extra ==" not in text]
    assert {re.split(r"[^\w-]", text)[0] for text in needs} == RUNTIME
    assert all(">=" in text for text in needs)
    assert meta["Requires-Python"] == ">=3.11"
    assert meta["License-Expression"] == "MIT"


def link_with_dependencies(names: set[str], packages: Path) -> None:
    """Put installed distributions, and what they need, into another environment."""
    done: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in done:
            continue
        done.add(name)
        found = distribution(name)
        waiting += [
            re.split(r"[^\w-]", text)[0]
            for text in found.requires or []
            if "extra ==" not in text and "platform_system" not in text
        ]
        for top in {path.parts[0] for path in found.files or []} - {"..", "__pycache__"}:
            link = packages / top
            if not link.exists():
                link.symlink_to(Path(str(found.locate_file(top))))


def test_it_works_in_an_empty_environment_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    options = ("--quiet", "--no-index", "--no-deps", "--disable-pip-version-check")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", *options, str(wheel)]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(pip, check=True, cwd=tmp_path, env=clean)
    scheme = {"base": str(environment), "platbase": str(environment)}
    link_with_dependencies(RUNTIME, Path(sysconfig.get_path("purelib", "venv", scheme)))

    def run(*command: object) -> str:
        result = subprocess.run(
            [str(environment / "bin" / str(command[0])), *map(str, command[1:])],
            cwd=tmp_path,
            env={"PATH": os.defpath, "HOME": str(tmp_path), "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    where = run("python", "-c", "import mlpcli; print(mlpcli.__file__)")
    assert Path(where.strip()).is_relative_to(environment)
    assert run("mlp", "--version").startswith("mlp ")
    out = run("mlp", "train", "--data", "digits", "--epochs", "2", "--quiet")
    assert "model.npz written" in out
    assert "digits, test split: 359 samples" in run("mlp", "evaluate", "model.npz")
    assert "64-100-10" in run("mlp", "show", "model.npz")
    assert "passed" in run("mlp", "gradcheck", "--data", "spiral", "--hidden", "3", "--quiet")
    assert "mnist" in run("mlp", "download", "--list")
    assert "hidden = [1024, 1024, 1024]" in run(
        "mlp", "train", "--config", "srivastava-maxnorm", "--print-config"
    )
    (tmp_path / "new.csv").write_text(",".join("0" * 64) + "\n")
    assert run("mlp", "predict", "model.npz", "new.csv").startswith("label\n")
