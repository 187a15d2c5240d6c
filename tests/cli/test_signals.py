"""Signals from start-up to the end: one asks to stop, a later one gives up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

from mlpcli.commands.stopping import Signals
from mlpcli.errors import Interruption

ROOT = Path(__file__).parents[2]
SMALL = ("train", "--data", "digits", "--hidden", "8", "--epochs", "3", "--threads", "1", "-q")
LONG = ("train", "--data", "digits", "--hidden", "100", "--epochs", "100000", "-q")

BOTH = pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)


def start(folder: Path, before: str, *arguments: object) -> subprocess.Popen[str]:
    """`mlp` as a process of its own, after some lines of Python."""
    code = f"import sys\n{before}\nfrom mlpcli.__main__ import main\nmain()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """(exit code, stderr) of a process that is left to itself."""
    _, err = process.communicate(timeout=60)
    return process.returncode, err


def wait_for(path: str) -> None:
    end = time.monotonic() + 60
    while not Path(path).exists():
        assert time.monotonic() < end, f"{path} does not appear"
        time.sleep(0.01)


def progress_of(path: str) -> dict[str, int]:
    with np.load(path) as file:
        return json.loads(str(file["resume/progress"]))  # type: ignore[no-any-return]


# Training


@pytest.mark.parametrize("threads", [1, 2])
@BOTH
def test_signals_that_follow_at_once_are_the_same_one(mlp, number, code, word, threads) -> None:
    process = start(mlp.folder, "", *LONG, "--threads", threads)
    wait_for("model.npz")
    before = progress_of("model.npz")["step"]
    time.sleep(0.2)
    for _ in range(20):
        process.send_signal(number)
        time.sleep(0.005)
    assert finish(process) == (
        code,
        f"mlp: {word}; resume with: mlp train --resume model.npz --threads {threads}\n",
    )
    assert progress_of("model.npz")["step"] > before
    assert os.listdir() == ["model.npz"]


SLOW_WRITES = """
import numpy as np, time
savez = np.savez
def slow(*arguments, **options):
    global slow_ones
    slow_ones += 1
    if slow_ones > 1:
        open("writing", "w").close()
        time.sleep(60)
    savez(*arguments, **options)
slow_ones = 0
np.savez = slow
"""


@BOTH
def test_a_later_signal_gives_up_and_says_what_is_lost(mlp, number, code, word) -> None:
    process = start(mlp.folder, SLOW_WRITES, *LONG, "--threads", "1")
    wait_for("writing")
    process.send_signal(number)
    time.sleep(1.2)
    process.send_signal(number)
    assert finish(process) == (
        code,
        f"mlp: {word} again, at once: what was trained after epoch 1 is lost; model.npz is whole; "
        "resume with: mlp train --resume model.npz --threads 1\n",
    )
    assert progress_of("model.npz")["epoch"] == 1
    assert sorted(os.listdir()) == ["model.npz", "writing"]


DURING = """
import os, signal, threading
def signalling(function, at):
    calls = 0
    def call(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), {number})
        result = function(*arguments, **options)
        return result
    return call
"""


@BOTH
def test_a_signal_during_the_last_write_lets_it_be_written(mlp, number, code, word) -> None:
    # Of three quick epochs the first is written, and the last one at the end.
    in_fsync = DURING.format(number=int(number)) + "os.fsync = signalling(os.fsync, 2)"
    said = (
        f"mlp: {word} after epoch 3; model.npz is whole, "
        "its figures come from: mlp evaluate model.npz\n"
    )
    assert finish(start(mlp.folder, in_fsync, *SMALL)) == (code, said)
    assert progress_of("model.npz")["epoch"] == 3
    assert os.listdir() == ["model.npz"]
    mlp.ok("evaluate", "model.npz")


@pytest.mark.parametrize("threads", [1, 2])
@BOTH
def test_a_signal_during_the_final_scores_says_where_they_come_from(
    mlp, number, code, word, threads
) -> None:
    in_scores = DURING.format(number=int(number)) + (
        "from mlpcli.evaluation.metrics import Scorer\n"
        "Scorer.score = signalling(Scorer.score, 4)"  # once an epoch, then of the training rows
    )
    arguments = ("train", "--data", "digits", "--hidden", "200", "--epochs", "3", "-q")
    assert finish(start(mlp.folder, in_scores, *arguments, "--threads", threads)) == (
        code,
        f"mlp: {word} after epoch 3; model.npz is whole, "
        "its figures come from: mlp evaluate model.npz\n",
    )
    assert progress_of("model.npz")["epoch"] == 3
    assert os.listdir() == ["model.npz"]


def test_a_terminal_that_closes_ends_training_like_sigterm_unless_nohup_asks_not_to(mlp) -> None:
    heeding = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)"  # the tests' own nohup
    process = start(mlp.folder, heeding, *LONG)
    wait_for("model.npz")
    process.send_signal(signal.SIGHUP)
    assert finish(process) == (143, "mlp: terminated; resume with: mlp train --resume model.npz\n")
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    process = start(mlp.folder, ignoring, *LONG, "-o", "other.npz")
    wait_for("other.npz")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == 143


# Starting up, and the other commands


@pytest.mark.parametrize("module", ["click", "numpy", "mlpcli.config.kinds", "zipfile"])
@BOTH
def test_a_signal_while_modules_are_imported_is_one_line(
    mlp, module: str, number, code, word
) -> None:
    finder = f"""
import os, importlib.abc
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), {int(number)})
sys.meta_path.insert(0, Finder())
sys.modules.pop("zipfile", None)
"""
    assert finish(start(mlp.folder, finder, *SMALL, "--dry-run")) == (code, f"mlp: {word}\n")
    assert os.listdir() == []


def test_what_takes_the_first_signals_imports_nothing_first() -> None:
    (script,) = entry_points(group="console_scripts", name="mlp")
    code = (
        "import sys; before = set(sys.modules); import mlpcli.__main__; "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "click" not in result.stdout.split()
    assert "numpy" not in result.stdout.split()
    assert script.value in ("mlpcli.__main__:main", "mlpcli.cli:main")  # the latter: of before


@BOTH
def test_a_signal_to_another_command_leaves_no_half_a_file(mlp, points, number, code, word) -> None:
    mlp.ok("train", "--data", "points.csv", "--hidden", "4", "--epochs", "1", "-q")
    files = sorted(os.listdir())
    in_fsync = DURING.format(number=int(number)) + "os.fsync = signalling(os.fsync, 1)"
    for arguments in (
        ("predict", "model.npz", "points.csv", "-o", "out.csv"),
        ("evaluate", "model.npz", "--report", "report.html"),
    ):
        assert finish(start(mlp.folder, in_fsync, *arguments)) == (code, f"mlp: {word}\n")
        assert sorted(os.listdir()) == files


# The wish to stop


def test_the_first_is_noted_the_echo_is_the_same_and_a_later_one_raises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr("mlpcli.commands.stopping.time.monotonic", lambda: now[0])
    signals = Signals()
    with signals.taken(), signals.held():
        assert signals.asked() == 0
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.asked() == signal.SIGTERM
        now[0] += 0.9
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.asked() == signal.SIGTERM
        now[0] += 0.2
        with pytest.raises(Interruption, match="interrupted") as later:
            os.kill(os.getpid(), signal.SIGINT)
        assert later.value.again
        assert later.value.exit_code == 130


def test_what_was_noted_ends_a_block_that_is_to_end_at_once() -> None:
    signals = Signals()
    with signals.taken():
        with signals.held():
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interruption, match="terminated"), signals.at_once():
            raise AssertionError("it goes on")


def test_the_handlers_of_before_come_back() -> None:
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with Signals().taken():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
