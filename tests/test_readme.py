"""Every example in the README runs, in order, and prints what the README shows.

A `console` block is run by a shell in one folder for the whole README; a `python` block by Python;
a `toml` block is kept as `mine.toml`. Of the output, numbers, bars and spaces may differ; a line
`…` stands for any lines. Blocks after a line `<!-- mnist -->` need the real MNIST, and those after
`<!-- not run -->` are for other machines.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MIRROR = os.environ.get("MLP_TEST_MIRROR")
PICKED = re.compile(r"(?:<!-- (?P<mark>[a-z ]+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.S)


@dataclass(frozen=True)
class Example:
    mark: str | None
    kind: str
    text: str
    line: int


def examples() -> list[Example]:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return [
        Example(m["mark"], m["kind"], m["text"], readme[: m.start()].count("\n") + 1)
        for m in PICKED.finditer(readme)
    ]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a shell in a new folder, with `mlp` on its PATH and MNIST downloaded."""
    home = tmp_path_factory.mktemp("readme")
    (home / "bin").mkdir()
    mpirun = shutil.which("mpirun", path=sysconfig.get_path("scripts")) or shutil.which("mpirun")
    for name, command in (
        ("python", f'"{sys.executable}"'),  # by a link, it would not find its virtual environment
        ("mlp", f'"{sys.executable}" -m mlpcli'),
        ("mpirun", f'"{mpirun}" --oversubscribe --bind-to none'),
    ):
        script = home / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        script.chmod(0o755)
    shutil.copytree(ROOT / "configs", home / "work" / "configs")
    data = home / "data"
    if MIRROR:
        from mlpcli.data.catalog import DOWNLOADS

        for name, data_set in DOWNLOADS.items():
            (data / name).mkdir(parents=True)
            for file in data_set.files:
                packed = Path(MIRROR, name, f"{file.name}.gz").read_bytes()
                (data / name / file.name).write_bytes(gzip.decompress(packed))
    return {
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "HOME": str(home / "work"),
        "MLP_DATA_DIR": str(data),
        "PYTHONPATH": str(ROOT),
        "MLP_THREADS": "1",
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }


def commands(block: str) -> list[tuple[str, str]]:
    """(command, expected output) of a console block; a command may go on after a backslash."""
    parts = re.split(r"^\$ ", block, flags=re.M)[1:]
    found = []
    for part in parts:
        lines = part.splitlines()
        end = next(i for i, line in enumerate(lines) if not line.endswith("\\")) + 1
        found.append(("\n".join(lines[:end]), "\n".join(lines[end:])))
    return found


def masked(text: str) -> list[str]:
    """The lines that count, numbers and runs of spaces made alike."""
    lines = (re.sub(r"[ -]*\d[\d.,e+-]*|[▁-█]+", "#", line) for line in text.splitlines())
    return [re.sub(r"\s+", " ", line).strip() for line in lines if line.strip()]


def matches(expected: list[str], printed: list[str]) -> bool:
    """Whether `printed` is `expected`, where … stands for any lines."""
    if not expected:
        return not printed
    if expected[0] == "…":
        return any(matches(expected[1:], printed[i:]) for i in range(len(printed) + 1))
    return bool(printed) and expected[0] == printed[0] and matches(expected[1:], printed[1:])


RUN = [e for e in examples() if e.mark != "not run"]


def test_examples_run_and_print_what_the_readme_shows(shell: dict[str, str]) -> None:
    work, ran = Path(shell["HOME"]), 0
    for example in RUN:
        if example.mark == "mnist" and not MIRROR:
            continue
        where = f"README.md:{example.line}"
        if example.kind == "python":
            pieces = [(["python", "-c", example.text], "")]
        elif example.kind == "console":
            pieces = [(["sh", "-c", c], out) for c, out in commands(example.text)]
        elif example.kind == "toml":
            (work / "mine.toml").write_text(example.text)
            continue
        else:
            continue
        for command, expected in pieces:
            result = subprocess.run(
                command,
                cwd=work,
                env=shell,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=120,
                check=False,
            )
            assert result.returncode == 0, f"{where}: {command}\n{result.stdout}"
            if example.kind == "console":
                assert matches(masked(expected), masked(result.stdout)), (
                    f"{where}: {command[2]} printed\n{result.stdout}"
                )
            ran += 1
    assert ran >= 10


def test_every_option_is_explained_by_help_and_every_command_by_the_readme() -> None:
    from mlpcli.cli import COMMANDS

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f"### `mlp {name}`" in readme, f"the README has no section on mlp {name}"


@pytest.mark.skipif(not MIRROR, reason="MLP_TEST_MIRROR names no folder with the real MNIST")
def test_the_examples_on_mnist_are_among_those_that_run() -> None:
    assert any(example.mark == "mnist" for example in RUN)
