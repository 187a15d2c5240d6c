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

NAMES = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in MODULES}
"""The module files by what imports them."""

GROUND = {"errors", "text", "records", "arrays", "files", "schema", "npz"}
CORE = GROUND | {"config", "nn", "parallel"}
SEEING = CORE | {"data", "tasks", "evaluation"}
MAY_IMPORT = {
    "errors": set(),
    "text": set(),
    "records": set(),
    "arrays": {"records"},
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
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in NAMES or node.module == "mlpcli" else node.module


def place_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def part_of(path: Path) -> str:
    """The part of the package that a file belongs to."""
    return place_of(path).split("/")[0].removesuffix(".py")


def test_imports_run_one_way() -> None:
    wrong = [
        f"{place_of(path)} imports {name}"
        for path in MODULES
        for name in imported(path)
        if name.startswith("mlpcli.") and name != "mlpcli.__version__"
        if name.split(".")[1] not in MAY_IMPORT[part_of(path)]
    ]
    assert not wrong


def test_no_module_imports_itself_in_the_end() -> None:
    needed = {
        name: {other for other in imported(path) if other in NAMES} for name, path in NAMES.items()
    }
    while free := [name for name, others in needed.items() if not others]:
        needed = {name: others - set(free) for name, others in needed.items() if others}
    assert not needed, f"in circles, or needing what is: {sorted(needed)}"


def test_private_names_stay_in_their_module() -> None:
    wrong = [
        f"{place_of(path)} imports {alias.name}"
        for path in MODULES
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mlpcli")
        for alias in node.names
        if alias.name.startswith("_") and alias.name != "__version__"
    ]
    assert not wrong


def test_other_packages_are_imported_only_where_they_belong() -> None:
    for path in MODULES:
        for name in imported(path):
            top = name.split(".")[0]
            if top != "mlpcli" and top not in sys.stdlib_module_names:
                assert place_of(path).startswith(ONLY_IN[top]), f"{path} imports {name}"


WHOLE = "# better whole:"
"""Begins the comment that says why a file or a function is longer than others."""


def test_files_have_400_lines_and_functions_40_unless_they_are_better_whole() -> None:
    for path in MODULES:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 400 or any(line.startswith(WHOLE) for line in lines), path
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef):
                inside = body_of(node, lines)
                code = [line for line in inside if line.strip() and line.strip()[0] != "#"]
                assert len(code) <= 40 or WHOLE in "\n".join(inside), f"{path}: {node.name}"


def body_of(node: ast.FunctionDef, lines: list[str]) -> list[str]:
    """The lines of a function below its signature and its docstring."""
    first, *rest = node.body
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    body = rest if documented else node.body
    return lines[body[0].lineno - 1 : node.end_lineno] if body else []


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
