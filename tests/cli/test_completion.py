"""Completion in the shell: what is offered, and that it answers at once."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

EXPORTS = ["runs/a.html", "runs/a.onnx", "runs/a.py"]


def offered(mlp, *words: str) -> list[str]:
    """What bash is told for the last of `words`; "file" is any file."""
    process = mlp.process(
        _MLP_COMPLETE="bash_complete",
        COMP_LINE=" ".join(["mlp", *words]),
    )
    out, err = process.communicate()
    assert err == ""
    answers = [line.split(",", 1) for line in out.splitlines()]
    return [value if kind == "plain" else kind for kind, value in answers]


@pytest.fixture
def files(mlp) -> None:
    for name in ("model.npz", "runs/a.npz", "runs/b.npz", "run.toml", "points.csv", "notes.txt"):
        path = mlp.folder / name
        path.parent.mkdir(exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pre"], ["predict"]),
        (["train", "--lr-s"], ["--lr-schedule", "--lr-step"]),
        (["train", "--data", ""], ["mnist", "fashion-mnist", "digits", "spiral", "penguins"]),
        (["train", "--data", "m"], ["mnist", "model.npz"]),
        (["train", "--data", "po"], ["points.csv"]),
        (["train", "--data", "di"], ["digits"]),
        (["train", "--optimizer", "n"], ["nesterov"]),
        (["train", "--config", "run"], ["run.toml"]),
        (["train", "--config", "ci"], ["ciresan"]),
        (["gradcheck", "--config", "lecun-300-"], ["lecun-300-100"]),
        (["train", "--resume", "m"], ["model.npz"]),
        (["evaluate", ""], ["model.npz", "runs/a.npz", "runs/b.npz"]),
        (["show", "model.npz", "runs/"], ["runs/a.npz", "runs/b.npz"]),
        (["show", "ru"], ["runs/a.npz", "runs/b.npz"]),
        (["predict", "note"], ["file"]),
        (["predict", "model.npz", "po"], ["points.csv"]),
        (["export", "m"], ["model.npz"]),
        (["export", "runs/a.npz", "runs/a."], EXPORTS),
        (["export", "runs/a.npz", "runs/"], [*EXPORTS, "runs/a.npz", "runs/b.npz"]),
        (["download", "fa"], ["fashion-mnist"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_commands_options_names_and_files_are_offered(
    mlp, files: None, words: list[str], expected: list[str]
) -> None:
    assert offered(mlp, *words)[: len(expected)] == expected


def test_completion_imports_nothing_that_is_slow(mlp) -> None:
    code = (
        "import sys; from mlpcli.cli import run\n"
        "try: run([])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('numpy', 'requests', 'tqdm', 'matplotlib') if m in sys.modules])"
    )
    environment = {"_MLP_COMPLETE": "bash_complete", "COMP_LINE": "mlp ev"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["plain,evaluate", "[]"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shells_take_the_script(mlp, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on PATH")
    process = mlp.process(_MLP_COMPLETE=f"{shell}_source")
    script, err = process.communicate()
    assert err == ""
    done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "_MLP_COMPLETE" in script


INTERACTIVE = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}


class Terminal:
    """A shell on a terminal of its own, in which completion is set up."""

    def __init__(self, shell: str, folder: Path) -> None:
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        script = bin_folder / "mlp"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mlpcli "$@"\n')
        script.chmod(0o755)
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ |= {
                "PATH": f"{bin_folder}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "TERM": "dumb",
                "HOME": str(folder),
            }
            os.chdir(folder)
            os.execvp(INTERACTIVE[shell][0], INTERACTIVE[shell])
        self.type(f'eval "$(_MLP_COMPLETE={shell}_source mlp)"; echo "set ""up"\r')
        self.wait_for("set up")

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def wait_for(self, text: str) -> str:
        """What is shown up to `text`."""
        shown, until = "", time.monotonic() + 20
        while text not in shown:
            ready, _, _ = select.select([self.terminal], [], [], until - time.monotonic())
            assert ready, shown
            shown += os.read(self.terminal, 4096).decode(errors="replace")
        return shown

    def complete(self, line: str) -> str:
        """What the line is after a tab."""
        self.type(line + "\t")
        self.type("\x01: 'the line <\x05>' \r")
        self.type("fc -ln -1 | cat; echo 'no ''more'\r")
        shown = self.wait_for("no more")
        return shown.split("the line <")[-1].split(">'")[0]

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


@pytest.fixture(params=INTERACTIVE)
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not on PATH")
    shell = Terminal(request.param, tmp_path)
    yield shell
    shell.close()


@pytest.mark.long
def test_a_real_shell_completes_words_after_an_equals_sign_and_names_with_spaces(
    terminal: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "my table.csv").touch()
    for line, expected in (
        ("mlp ev", "mlp evaluate"),
        ("mlp train --optimizer=mo", "mlp train --optimizer=momentum"),
        ("mlp train --optimizer=ad", "mlp train --optimizer=adam"),
        ("mlp train --optimizer mo", "mlp train --optimizer momentum"),
        ("mlp train --data my", "mlp train --data my\\ table.csv"),
        ("mlp train --data=my", "mlp train --data=my\\ table.csv"),
    ):
        assert terminal.complete(line).strip() == expected
