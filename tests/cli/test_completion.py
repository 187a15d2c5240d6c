"""Completion in the shell: what is offered, and that it answers at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

EXPORTS = ["runs/a.html", "runs/a.onnx", "runs/a.py"]


def offered(mlp, *words: str) -> list[str]:
    """What bash is told for the last of `words`; "file" is any file."""
    process = mlp.process(
        _MLP_COMPLETE="bash_complete",
        COMP_WORDS="\n".join(["mlp", *words]),
        COMP_CWORD=str(len(words)),
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
        (["train", "--data", ""], ["mnist", "fashion-mnist", "digits", "spiral", "model.npz"]),
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
    environment = {"_MLP_COMPLETE": "bash_complete", "COMP_WORDS": "mlp ev", "COMP_CWORD": "1"}
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
