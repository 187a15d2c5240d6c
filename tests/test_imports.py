"""Who may import whom, and what starting the command imports."""

from __future__ import annotations

import ast
import functools
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "mlpcli"

MODULES = sorted(PACKAGE.rglob("*.py"))

GROUND = {"errors", "text", "records", "arrays", "files", "schema", "npz"}
CORE = GROUND | {"config", "nn", "parallel"}
SEEING = CORE | {"data", "tasks", "evaluation"}
MAY_IMPORT = {
    "errors": set(),
    "text": set(),
    "records": set(),
    "arrays": set(),
    "files": {"errors"},
    "schema": {"text", "records"},
    "npz": {"errors", "text", "records", "arrays"},
    "config": {"errors", "text", "records", "files", "config"},
    "nn": GROUND | {"nn"},
    "parallel": GROUND | {"parallel"},
    "tasks": GROUND | {"nn", "tasks"},
    "data": GROUND | {"tasks", "data"},
    "evaluation": SEEING - {"config"},
    "training": SEEING | {"training"},
    "runs": SEEING | {"training", "runs"},
    "commands": SEEING | {"training", "runs", "export", "commands"},
    "export": SEEING | {"runs", "export"},
    "cli": GROUND | {"config", "parallel", "data", "export", "commands", "cli"},
    "__main__": {"cli"},
    "__init__": {"nn", "runs"},
}
"""Each part of the package, and the parts that it may import."""

NUMERIC = (
    "arrays.py",
    "npz.py",
    "nn/",
    "parallel/",
    "tasks/",
    "data/",
    "evaluation/",
    "training/",
    "runs/",
)
ONLY_IN = {
    "click": ("cli/", "commands/"),
    "requests": ("data/download.py",),
    "tqdm": ("commands/console.py",),
    "matplotlib": ("evaluation/",),
    "PIL": ("data/formats/pictures.py", "evaluation/"),
    "mpi4py": ("parallel/mpi.py",),
    "numpy": (*NUMERIC, "commands/", "export/"),
    "onnx": ("export/",),
    "pyarrow": ("data/formats/parquet.py",),
}
"""Each package that is not Python's own, and where it may be imported."""


@functools.cache
def nodes(path: Path) -> list[ast.AST]:
    """A file's syntax tree, parsed once for all tests."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports anywhere, in functions and for type checking, too."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            if node.module == "mlpcli":
                yield from (f"mlpcli.{alias.name}" for alias in node.names)
            else:
                yield node.module


def part_of(path: Path) -> str:
    """The part of the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


modules = pytest.mark.parametrize(
    "path", MODULES, ids=[path.relative_to(PACKAGE).as_posix() for path in MODULES]
)


@modules
def test_imports_run_one_way(path: Path) -> None:
    parts = {name.split(".")[1] for name in imported(path) if name.startswith("mlpcli.")}
    parts.discard("__version__")
    assert parts <= MAY_IMPORT[part_of(path)]


def test_no_module_imports_itself_in_the_end() -> None:
    names = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in MODULES
    }
    needed = {
        name: {other for other in imported(path) if other in names} for name, path in names.items()
    }
    while free := [name for name, others in needed.items() if not others]:
        needed = {name: others - set(free) for name, others in needed.items() if others}
    assert not needed, f"in circles, or needing what is: {sorted(needed)}"


@modules
def test_private_names_stay_in_their_module(path: Path) -> None:
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mlpcli"):
            assert not [
                alias.name
                for alias in node.names
                if alias.name.startswith("_") and alias.name != "__version__"
            ]


@modules
def test_other_packages_are_imported_only_where_they_belong(path: Path) -> None:
    place = path.relative_to(PACKAGE).as_posix()
    for name in imported(path):
        top = name.split(".")[0]
        if top != "mlpcli" and top not in sys.stdlib_module_names:
            assert place.startswith(ONLY_IN[top]), f"{place} imports {name}"


WHOLE = "# better whole:"
"""Begins the comment that says why a file or a function is longer than others."""


@modules
def test_files_have_400_lines_and_functions_40_unless_they_are_better_whole(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= 400 or any(line.startswith(WHOLE) for line in lines)
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef):
            first, *rest = node.body
            documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            body = rest if documented else node.body
            inside = lines[body[0].lineno - 1 : node.end_lineno] if body else []
            code = [line for line in inside if line.strip() and line.strip()[0] != "#"]
            assert len(code) <= 40 or WHOLE in "\n".join(inside), node.name


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--help"],
        ["--version"],
        ["train", "--help"],
        ["evaluate", "--help"],
        ["export", "--help"],
        ["train", "--print-config", "--hidden", "5"],
        ["train", "--lr", "wrong"],
        ["trian"],
    ],
    ids=" ".join,
)
def test_help_and_wrong_options_are_answered_without_numpy(arguments: list[str]) -> None:
    heavy = {"numpy", "requests", "tqdm", "urllib3", "matplotlib", "PIL"}
    code = (
        "import sys; from mlpcli.cli import run; run(sys.argv[1:]); "
        f"print('imported:', *sorted(set(sys.modules) & {heavy}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stdout.splitlines()[-1].split() == ["imported:"]


def test_the_threads_are_set_before_numpy_is_imported() -> None:
    code = (
        "import os, sys; from mlpcli.cli.threads import set_threads; "
        "set_threads(3); print('numpy' in sys.modules, os.environ['OPENBLAS_NUM_THREADS'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stdout == "False 3\n"


def test_the_wheel_is_told_of_every_package() -> None:
    with (PACKAGE.parent / "pyproject.toml").open("rb") as file:
        told = tomllib.load(file)["tool"]["setuptools"]["packages"]
    here = {".".join(path.parent.relative_to(PACKAGE.parent).parts) for path in MODULES}
    assert told == sorted(here | {"mlpcli.configs"})
