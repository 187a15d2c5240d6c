"""Every example in every README runs, in order, and prints what the README shows.

A `console` block is run by a shell in one folder for each README; a `python` block by Python; a
`toml` block is kept as `mine.toml`. Of the output, numbers, bars and spaces may differ; a line `…`
stands for any lines. Blocks after a line `<!-- mnist -->` need the real MNIST, the one after
`<!-- install -->` is run in a new checkout, and those after `<!-- not run -->` are for other
machines.
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
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
READMES = [
    ROOT / "README.md",
    *sorted(
        path for part in ("configs", "mlpcli", "tests") for path in (ROOT / part).rglob("*.md")
    ),
]
MIRROR = os.environ.get("MLP_TEST_MIRROR")
PICKED = re.compile(r"(?:<!-- (?P<mark>[a-z ]+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.S)

each_readme = pytest.mark.parametrize(
    "readme", READMES, ids=[path.relative_to(ROOT).as_posix() for path in READMES]
)


@dataclass(frozen=True)
class Example:
    mark: str | None
    kind: str
    text: str
    line: int


def examples(readme: Path) -> list[Example]:
    text = readme.read_text(encoding="utf-8")
    return [
        Example(m["mark"], m["kind"], m["text"], text[: m.start()].count("\n") + 1)
        for m in PICKED.finditer(text)
    ]


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """The environment of a shell in a new folder, with `mlp` on its PATH."""
    home = tmp_path
    (home / "bin").mkdir()
    mpirun = shutil.which("mpirun", path=sysconfig.get_path("scripts")) or shutil.which("mpirun")
    for name, command in (
        ("python", f'"{sys.executable}"'),  # by a link, it would not find its virtual environment
        ("python3", f'"{sys.executable}"'),
        ("mlp", f'"{sys.executable}" -m mlpcli'),
        ("mpirun", f'"{mpirun}" --oversubscribe --bind-to none'),
    ):
        script = home / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        script.chmod(0o755)
    shutil.copytree(ROOT / "configs", home / "work" / "configs")
    return {
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "HOME": str(home / "work"),
        "MLP_DATA_DIR": str(home / "data"),
        "PYTHONPATH": str(ROOT),
        "MLP_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }


def unpack_downloads(mirror: Path, data: Path) -> None:
    """Put what `mlp download` would fetch into the data directory."""
    from mlpcli.data.catalog import DOWNLOADS

    for name, data_set in DOWNLOADS.items():
        (data / name).mkdir(parents=True, exist_ok=True)
        for file in data_set.files:
            packed = (mirror / name / f"{file.name}.gz").read_bytes()
            (data / name / file.name).write_bytes(gzip.decompress(packed))


def commands(example: Example) -> list[tuple[list[str], str]]:
    """(command, expected output) of a block; a command may go on after a backslash."""
    if example.kind == "python":
        return [(["python", "-c", example.text], "")]
    if example.kind != "console":
        return []
    found = []
    for part in re.split(r"^\$ ", example.text, flags=re.M)[1:]:
        lines = part.splitlines()
        end = next(i for i, line in enumerate(lines) if not line.endswith("\\")) + 1
        found.append((["sh", "-c", "\n".join(lines[:end])], "\n".join(lines[end:])))
    return found


def run(
    command: list[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


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


@pytest.mark.long
@each_readme
def test_examples_run_and_print_what_the_readme_shows(readme: Path, shell: dict[str, str]) -> None:
    work = Path(shell["HOME"])
    for example in examples(readme):
        if example.mark == "mnist" and MIRROR:
            unpack_downloads(Path(MIRROR), Path(shell["MLP_DATA_DIR"]))
        elif example.mark is not None:
            continue
        if example.kind == "toml":
            (work / "mine.toml").write_text(example.text)
        where = f"{readme.relative_to(ROOT)}:{example.line}"
        for command, expected in commands(example):
            result = run(command, work, shell)
            assert result.returncode == 0, f"{where}: {command}\n{result.stdout}"
            if example.kind == "console":
                assert matches(masked(expected), masked(result.stdout)), (
                    f"{where}: {command[2]} printed\n{result.stdout}"
                )


def test_the_examples_that_run_are_many() -> None:
    """So that a change of how they are marked does not pass for success."""
    found = [example for readme in READMES for example in examples(readme)]
    run_ones = [(e.kind, e.mark) for e in found for _ in commands(e) if e.mark != "not run"]
    assert run_ones.count(("console", None)) >= 30
    assert run_ones.count(("console", "mnist")) >= 3
    assert run_ones.count(("python", None)) >= 1
    assert [e.kind for e in found if e.mark == "install"] == ["sh"]
    assert {e.mark for e in found} == {None, "mnist", "install", "not run"}


def test_what_is_to_be_installed_is_there_afterwards(tmp_path: Path, shell: dict[str, str]) -> None:
    """The block on installing, in a new checkout, with what it would download left out."""
    pytest.importorskip("setuptools", minversion="77")
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("mlpcli", "configs"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, checkout / name, ignore=ignore)
    for path in (path for path in ROOT.iterdir() if path.is_file()):
        shutil.copy(path, checkout)
    (block,) = (e.text for e in examples(ROOT / "README.md") if e.mark == "install")
    after = "cd /; command -v mlp; python -c 'import mlpcli; print(mlpcli.__file__)'"
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}
    (tmp_path / "build").mkdir()
    about = metadata.distribution("setuptools")
    for name in {file.parts[0] for file in about.files or ()}:
        (tmp_path / "build" / name).symlink_to(Path(str(about.locate_file(name))))
    environment = shell | offline | {"PYTHONPATH": str(tmp_path / "build")}
    result = run(["sh", "-ec", block + after], checkout, environment)
    assert result.returncode == 0, result.stdout
    command, package = result.stdout.splitlines()[-2:]
    assert command == str(checkout / ".venv" / "bin" / "mlp")
    assert package == str(checkout / "mlpcli" / "__init__.py")


def test_the_first_readme_is_a_door_with_a_section_for_every_command() -> None:
    from mlpcli.cli import COMMANDS

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f"### `mlp {name}`" in readme, f"the README has no section on mlp {name}"
    assert readme.startswith("# mlp\n\n```sh\nmake train\nmake test\n```\n")
    assert len(readme.splitlines()) <= 300, "tell the rest in the READMEs that it leads to"


def anchors(readme: Path) -> set[str]:
    """What a code host calls the headings of a README."""
    text = re.sub(r"```.*?```", "", readme.read_text(encoding="utf-8"), flags=re.S)
    titles = re.findall(r"^#+ (.*)$", text, flags=re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@each_readme
def test_links_lead_somewhere(readme: Path) -> None:
    text = re.sub(r"```.*?```", "", readme.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        if path.startswith("https://"):
            continue
        there = (readme.parent / path).resolve() if path else readme
        assert there.exists(), f"{readme}: {target}"
        assert not anchor or anchor in anchors(there), f"{readme}: {target}"


def test_the_map_of_the_code_names_every_part_and_nothing_else() -> None:
    package = ROOT / "mlpcli"
    text = (package / "README.md").read_text(encoding="utf-8")
    parts = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    parts |= {path.name for path in package.glob("[!_]*.py")}
    rows = re.findall(r"^\| (\[.*?) \| ", text, flags=re.M)
    assert parts == {Path(path).name for row in rows for path in re.findall(r"\((.*?)\)", row)}
    for path in re.findall(r"`((?:\w+/)+\w+[\w./]*)`", text):
        places = (package / path, ROOT / path)
        assert "NAME" in path or any(place.exists() for place in places), path


@each_readme
def test_make_knows_the_targets_that_are_named(readme: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make (?:-j\d* )?([a-z-]+)", readme.read_text(), flags=re.M):
        assert re.search(rf"^{target}:.*## ", makefile, flags=re.M), f"make {target}"


def test_nobody_is_sent_to_the_public_index_for_our_name() -> None:
    """It is somebody else's there."""
    for path in [*READMES, *(ROOT / "mlpcli").rglob("*.py"), ROOT / "Makefile"]:
        sent = re.search(
            r"mlpcli\[|(install|update|upgrade) [^\n]*\bmlpcli", path.read_text(encoding="utf-8")
        )
        assert not sent, f"{path}: {sent and sent[0]}"
