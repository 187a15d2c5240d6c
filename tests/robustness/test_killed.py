"""SIGKILL at random moments: the checkpoint is absent or whole, and what is resumed ends alike.

`make test-long` kills 200 times.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.files import ensure_writable
from mlpcli.nn.parameters import Parameters
from mlpcli.runs.checkpoint import Writer
from mlpcli.runs.model import load
from mlpcli.training.progress import Progress, Snapshot

ROOT = Path(__file__).parents[2]

PLAN = ("train", "--data", "digits", "--hidden", "40", "--epochs", "30", "--batch-size", "64")

OPTIONS = (
    ("--dropout", "0.2", "--input-dropout", "0.1"),
    ("--optimizer", "adam", "--lr-schedule", "linear", "--warmup", "2"),
    ("--optimizer", "nesterov", "--max-norm", "1", "--class-weight", "balanced"),
    ("--val-fraction", "0", "--final-momentum", "0.99", "--dtype", "float64"),
)

# After every epoch, and within one when the last write is 6 ms ago.
WRITING = "import mlpcli.runs.checkpoint as c; c.INTERVAL = 0; from mlpcli.cli import main; main()"
OFTEN = ("--checkpoint-every", "0.0001")


def start(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    """`mlp` as a process that writes its checkpoint all the time."""
    return subprocess.Popen(
        [sys.executable, "-c", WRITING, *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def training_begins(process: subprocess.Popen[str]) -> float:
    """When a process says what it is going to train."""
    assert process.stderr is not None
    assert any(" rows to train on, " in line for line in iter(process.stderr.readline, ""))
    return time.monotonic()


def arguments_of(folder: Path, options: tuple[str, ...]) -> tuple[str, ...]:
    """What goes on with the run in the folder, or starts it."""
    log = ("--log", "log.jsonl")
    if (folder / "model.npz").exists():
        return ("train", "--resume", "model.npz", *log)
    return (*PLAN, *options, *OFTEN, *log)


def epochs_in(log: Path) -> list[int]:
    """The epochs that a log tells of, every line of which is whole."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line["epoch"] for line in lines if line["event"] == "epoch"]


@pytest.mark.long
def test_killed_at_any_moment_a_run_is_resumed_to_the_same_bytes(
    mlp, checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    lengths = {}
    for number, options in enumerate(OPTIONS):
        with start(tmp_path, *PLAN, *options, *OFTEN, "-o", f"{number}.npz") as process:
            begun = training_begins(process)
            assert "mlp:" not in process.communicate()[1]
        lengths[options] = time.monotonic() - begun
    rng, kills = random.Random(), Counter[str]()
    while kills.total() < 8 * times:
        number = rng.randrange(len(OPTIONS))
        options = OPTIONS[number]
        folder = tmp_path / "killed"
        folder.mkdir()
        monkeypatch.chdir(folder)
        for _ in range(rng.choice((1, 1, 2, 3))):  # some are killed again while they go on
            process = start(folder, *arguments_of(folder, options))
            if rng.random() < 0.9:
                training_begins(process)
            time.sleep(rng.uniform(0, lengths[options]))
            process.kill()
            assert "mlp:" not in process.communicate()[1]
            here = set(os.listdir(folder))
            strays = {name for name in here if name.endswith(".tmp")}
            assert here - strays <= {"model.npz", "log.jsonl", "log.jsonl~"}
            if process.returncode == 0:
                kills["after the end"] += 1
            elif strays:
                kills["in a write"] += 1
            elif "model.npz" in here:
                kills["between writes"] += 1
            else:
                kills["before the first write"] += 1
            if "model.npz" in here:
                load(Path("model.npz"), resume=True)
        mlp.ok(*arguments_of(folder, options))
        checkpoints.assert_same(tmp_path / f"{number}.npz", "model.npz")
        assert epochs_in(Path("log.jsonl")) == list(range(1, 31))
        assert set(os.listdir()) <= {"model.npz", "log.jsonl", "log.jsonl~"}
        monkeypatch.chdir(tmp_path)
        shutil.rmtree(folder)
    print(f"{kills.total()} kills: " + ", ".join(f"{n} {kind}" for kind, n in kills.items()))
    if times >= 15:
        assert min(kills[kind] for kind in ("in a write", "between writes")) >= 10


def test_runs_with_one_output_path_and_some_of_them_killed_leave_it_whole_at_every_moment(
    mlp, tmp_path: Path
) -> None:
    arguments = ("train", "--data", "digits", "--hidden", "8", "--epochs", "60", "-q")
    lasting = [start(tmp_path, *arguments, "--seed", seed) for seed in (1, 2)]
    rng = random.Random(0)
    for seed in itertools.count(3):
        short_lived = start(tmp_path, *arguments, "--seed", seed)
        end = time.monotonic() + rng.uniform(0.2, 0.6)
        while time.monotonic() < end:
            if Path("model.npz").exists():
                load(Path("model.npz"), resume=True)
            ensure_writable(Path("model.npz"))  # as a run does that starts now
        short_lived.kill()
        assert short_lived.communicate()[1] == ""
        if all(process.poll() is not None for process in lasting):
            break
    assert [process.communicate()[1] for process in lasting] == ["", ""]
    assert [process.returncode for process in lasting] == [0, 0]
    mlp.ok("evaluate", "model.npz")
    ensure_writable(Path("model.npz"))
    assert set(os.listdir()) <= {"model.npz", "model.npz~"}
    if Path("model.npz~").exists():  # not if both found nothing there and wrote at once
        load(Path("model.npz~"), resume=True)


def write_until(path: Path, fatal: int) -> None:
    """Write a checkpoint, in a process that is killed before or after a call of the system."""
    calls = itertools.count()

    def die_in_time() -> None:
        if next(calls) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def dying(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            die_in_time()
            result = function(*arguments, **options)
            die_in_time()
            return result

        return call

    for name in ("open", "fchmod", "fsync", "link", "replace", "unlink"):
        setattr(os, name, dying(getattr(os, name)))
    np.savez = dying(np.savez)
    snapshot = Snapshot(Progress(epoch=1, step=1, best_epoch=1), np.zeros(9), {}, np.ones(9))
    Writer(path, Parameters([2, 3], np.zeros(9)), {"format": 1}).write(snapshot, [])


def test_killed_between_any_two_calls_of_a_write_nothing_is_lost(tmp_path: Path) -> None:
    fork, old = multiprocessing.get_context("fork"), b"the checkpoint of another run"
    for fatal in itertools.count():
        folder = tmp_path / str(fatal)
        folder.mkdir()
        path = folder / "model.npz"
        path.write_bytes(old)
        process = fork.Process(target=write_until, args=(path, fatal))
        process.start()
        process.join()
        ensure_writable(path)
        assert set(os.listdir(folder)) <= {"model.npz", "model.npz~"}
        content = path.read_bytes()
        if content != old:
            with np.load(path) as arrays:
                assert set(arrays.files) == {"W1", "b1", "meta", "resume/last", "resume/progress"}
            assert (folder / "model.npz~").read_bytes() == old
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    assert fatal >= 12
