"""Several ranks are one trainer: the weights of one process, one voice, and one end for all.

Runs under `mpirun` start slowly, so that each does many things: `DRIVER` is a Python program that
every rank runs, with calls of `mlp` as JSON, and leaves each rank's exit codes in a file.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpcli.parallel.job import Job
from mlpcli.parallel.mpi import Mpi

ROOT = Path(__file__).parents[1]

DRIVER = """
import json, os, sys, time
from mpi4py import MPI
from mlpcli.cli import run
rank = MPI.COMM_WORLD.rank
with open(f"pid-{rank}", "w") as file:
    file.write(str(os.getpid()))
exec(sys.argv[2])
codes = [int(run(arguments)) for arguments in json.loads(sys.argv[1])]
with open(f"codes-{rank}", "w") as file:
    json.dump(codes, file)
sys.exit(codes[-1] if len(codes) == 1 else 0)
"""

SLOWLY = """
from mlpcli.training.step import Step
take = Step.take
def slow(self, *more):
    time.sleep(0.01)
    return take(self, *more)
Step.take = slow
"""
"""Steps of a hundredth of a second, so that a run of a few hundred can be caught in its midst."""

BASE = ("--hidden", "16", "--epochs", "2", "--dtype", "float64", "--seed", "5")
DIGITS = ("--data", "digits", *BASE)
VARIANTS = {
    "plain": DIGITS,
    "batches that do not divide": (*DIGITS, "--batch-size", "129"),
    "a last batch of one": (*DIGITS, "--batch-size", "1293"),
    "full batches": (*DIGITS, "--batch-size", "full", "--lr", "0.5"),
    "batches smaller than the ranks": (
        *("--data", "points.csv", *BASE, "--batch-size", "3", "--dropout", "0"),
    ),
    "no validation": (*DIGITS, "--val-fraction", "0", "--hidden", "none"),
    "everything": (
        *(*DIGITS, "--optimizer", "nesterov", "--class-weight", "balanced", "--clip-norm", "0.05"),
        *("--max-norm", "0.9", "--label-smoothing", "0.1", "--batch-size", "100"),
    ),
    "distorted and averaged": (
        *(*DIGITS, "--augment", "affine", "--average", "ema", "--deslant", "--digit-width", "6"),
    ),
    "mixup": (*DIGITS, "--mixup", "0.4"),
    "adversarial": (*DIGITS, "--adversarial", "virtual:0.5"),
    "embedded": (
        *("--data", "penguins", *BASE, "--embedding", "periodic", "--optimizer", "adam"),
        *("--input-scale", "learned"),
        *("--beta2", "0.95", "--dropout", "0"),
    ),
    "sigmoid": (*DIGITS, "--activation", "sigmoid", "--loss", "mse", "--optimizer", "adam"),
}


def driver(calls: list[list[object]], prelude: str = "") -> tuple[str, ...]:
    """What follows `mpirun -n N python` for these calls of `mlp`."""
    texts = [[str(argument) for argument in call] for call in calls]
    return "-c", DRIVER, json.dumps(texts), prelude


def codes(rank: int) -> list[int]:
    return json.loads(Path(f"codes-{rank}").read_text())  # type: ignore[no-any-return]


def file_of(name: str, ranks: int) -> str:
    return f"{name.replace(' ', '-')}-{ranks}.npz"


def assert_close(checkpoints: Any, a: str, b: str) -> None:
    """The same weights to 1e-10, the state that continues the run, and the same history."""
    first, second = checkpoints.arrays(a), checkpoints.arrays(b)
    assert first.keys() == second.keys()
    for name, array in first.items():
        if name == "resume/progress":
            one, two = (json.loads(str(arrays[name])) for arrays in (first, second))
            assert one.pop("best_rank") == pytest.approx(two.pop("best_rank"), rel=1e-9)
            assert one.pop("sums") == two.pop("sums") == []
            for parts in ("part_ranks", "part_sums"):
                np.testing.assert_allclose(two.pop(parts), one.pop(parts), rtol=1e-9)
            assert figures(one) == pytest.approx(figures(two), rel=1e-9)
        else:
            np.testing.assert_allclose(second[name], array, rtol=0, atol=1e-10, err_msg=name)
    one, two = (checkpoints.meta(path)["history"] for path in (a, b))
    assert len(one) == len(two)
    for x, y in zip(one, two, strict=True):
        assert figures(x) == pytest.approx(figures(y), rel=1e-5, abs=1e-9)


def figures(entry: dict[str, Any]) -> dict[str, float]:
    """What an epoch came to, but for its times."""
    timed = ("seconds", "samples_per_second")
    return {k: v for k, v in entry.items() if k not in timed and v is not None}


# The same weights


@pytest.mark.parametrize(
    ("ranks", "names"), [(2, ["plain", "everything"]), (4, VARIANTS)], ids=["2", "4"]
)
def test_two_and_four_ranks_train_the_weights_of_one_process(
    mlp, mpirun, points, checkpoints, monkeypatch: pytest.MonkeyPatch, ranks: int, names
) -> None:
    variants = {name: VARIANTS[name] for name in names}
    for name, options in variants.items():
        mlp.ok(*mlp.once("train", *options), "-o", file_of(name, 1), "-q")
    mlp.ok("train", *DIGITS, "-o", "stopped.npz", "--stop-after", "1", "-q")
    flags = ("--mpi", "-q", "-o")
    calls: list[list[object]] = [
        [*mlp.once("train", *options), *flags, file_of(name, ranks)]
        for name, options in variants.items()
    ]
    dropping = (*DIGITS, "--dropout", "0.5", "--input-dropout", "0.2")
    calls += [
        ["train", "--resume", "stopped.npz", *flags, "resumed.npz"],
        ["train", *DIGITS, *flags, "begun.npz", "--stop-after", "1"],
        ["train", *DIGITS, *flags, "timed.npz", "--max-time", "1e-9"],
        ["train", *dropping, *flags, "dropping.npz"],
        ["train", *dropping, *flags, "dropping again.npz"],
    ]
    for library in ("OPENBLAS", "MKL", "OMP", "BLIS"):
        monkeypatch.delenv(f"{library}_NUM_THREADS")
    out, _ = mpirun.ok(ranks, *driver(calls))

    assert [codes(rank) for rank in range(ranks)] == [[0] * len(calls)] * ranks
    assert out.count("npz written") == len(calls)  # by rank 0 alone
    for name in variants:
        assert_close(checkpoints, file_of(name, 1), file_of(name, ranks))
    history = checkpoints.meta(file_of("everything", ranks))["history"]
    assert history[-1]["gradient_norm"] == pytest.approx(0.05)  # clipped after the sum
    meta = checkpoints.meta(file_of("plain", ranks))
    assert meta["ranks"] == ranks
    assert meta["threads"] == max(1, len(os.sched_getaffinity(0)) // ranks)
    checkpoints.assert_same("dropping.npz", "dropping again.npz")

    # a run goes on with another number of ranks, either way
    assert_close(checkpoints, file_of("plain", 1), "resumed.npz")
    mlp.ok("train", "--resume", "timed.npz", "-q")
    again = mlp.ok("train", "--resume", "begun.npz")
    assert f"begun.npz was trained by {ranks} ranks, now by 1 process: the last digits" in again.err
    assert_close(checkpoints, file_of("plain", 1), "begun.npz")
    assert_close(checkpoints, file_of("plain", 1), "timed.npz")

    shown = mlp.ok("show", file_of("plain", ranks)).out
    assert f", {ranks} ranks of " in shown
    assert f"  repeat     mpirun -n {ranks} mlp train --mpi --data digits" in shown
    assert mlp.ok("show", "begun.npz", "--json").json["models"][0]["ranks"] == 1


def test_ranks_drop_other_units_than_each_other(mlp, mpirun) -> None:
    prelude = """
from mlpcli.training.step import Step
take = Step.take
def keep(self, *more):
    outcome = take(self, *more)
    import numpy as np
    np.save(f"mask-{rank}.npy", self.rows_of(self.batches.count(0)).masks[1])
    return outcome
Step.take = keep
"""
    call = ["train", *DIGITS, "--dropout", "0.5", "--batch-size", "full", "--mpi", "-q"]
    mpirun.ok(2, *driver([call], prelude))
    one, two = np.load("mask-0.npy"), np.load("mask-1.npy")
    assert one.shape == two.shape == (647, 16)
    assert (one > 0).mean() == pytest.approx(0.5, abs=0.05)
    assert (one == two).mean() == pytest.approx(0.5, abs=0.05)


def test_one_rank_is_one_process(mlp, mpirun, checkpoints) -> None:
    mlp.trained(*DIGITS, "-o", "alone.npz", "-q")
    arguments = ("-m", "mlpcli", "train", *DIGITS, "--mpi", "-o", "one.npz", "--json")
    out, err = mpirun.ok(1, *arguments)
    assert json.loads(out)["checkpoint"] == "one.npz"
    assert "--mpi: this is the only rank; mpirun -n N starts more" in err
    checkpoints.assert_same("alone.npz", "one.npz")


# One voice, and one end


def test_errors_are_told_once_and_end_all_ranks_with_their_exit_code(mlp, mpirun, points) -> None:
    prelude = f"""
if rank == 1:
    os.makedirs("elsewhere")
    os.chdir("elsewhere")
    with open("other.csv", "w") as file:
        file.write({points.read_text()!r}.replace("ant", "eel"))
if rank == 0:
    open("other.csv", "w").write({points.read_text()!r})
from mlpcli.training.step import Step
take = Step.take
def nudge(self, order, epoch, number, *more):
    outcome = take(self, order, epoch, number, *more)
    if rank == 1 and self.net.sizes[1] == 7 and (epoch, number) == (1, 3):
        self.net.parameters.flat[3] += 1e-12
    return outcome
Step.take = nudge
"""
    diverging = ["train", "--data", "digits", "--lr", "1e9", "--epochs", "2"]
    calls: list[list[object]] = [
        [*diverging, "--mpi", "-o", "bad.npz"],
        ["train", "--data", "nothing.csv", "--mpi"],
        ["train", "--lr", "wrong", "--mpi"],
        ["train", "--resume", "nothing.npz", "--mpi"],
        ["train", "--data", "points.csv", "--mpi"],
        ["train", "--data", "other.csv", "--mpi"],
        mlp.once("train", *DIGITS, "--hidden", "7", "--epochs", "9", "--mpi", "-o", "apart.npz"),
        ["train", *DIGITS, "--mpi", "--print-config"],
        ["train", *DIGITS, "--mpi", "--dry-run", "-o", "dry.npz"],
    ]
    out, err = mpirun.ok(2, *driver(calls, prelude))
    assert json.loads(Path("codes-0").read_text()) == [4, 3, 2, 3, 3, 1, 1, 0, 0]
    assert json.loads(Path("elsewhere/codes-1").read_text()) == [4, 3, 2, 3, 3, 1, 1, 0, 0]
    lines = [line for line in err.splitlines() if line.startswith("mlp: ")]
    _, alone = mlp.error(*diverging)
    assert lines[0].removeprefix("mlp: ") == alone
    assert "nothing.csv: no such data set or file" in lines[1]
    assert lines[2] == "mlp: --lr wrong: expected a number above 0"
    assert lines[3].startswith("mlp: nothing.npz: ")
    host = os.uname().nodename
    assert lines[4].startswith(f"mlp: rank 1 on {host}: points.csv: no such data set or file")
    assert lines[5] == (
        f"mlp: the data of rank 1 on {host} are not those of rank 0; all machines need the same "
        "data, the same libraries and processors of one kind"
    )
    assert lines[6].startswith(
        f"mlp: the weights after epoch 2 of rank 1 on {host} are not those of rank 0"
    )
    assert len(lines) == 7
    assert out.count("[train]") == 1
    assert err.count("dry run: nothing was trained") == 1
    assert set(os.listdir("elsewhere")) == {"other.csv", "codes-1"}  # rank 0 alone writes
    mlp.ok("train", "--resume", "apart.npz", "--epochs", "2", "-q")  # of the epoch before


def test_an_error_of_one_rank_alone_ends_the_others(mlp, mpirun) -> None:
    prelude = """
from mlpcli.training.step import Step
take = Step.take
def fail(self, order, epoch, number, *more):
    if rank == 1 and (epoch, number) == (1, 9):
        raise MemoryError
    return take(self, order, epoch, number, *more)
Step.take = fail
"""
    process = mpirun(
        2, *driver([mlp.once("train", *DIGITS, "--epochs", "9", "--mpi", "-q")], prelude)
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    lines = err.splitlines()
    begin = lines.index(f"rank 1 on {os.uname().nodename} ends the run:")
    assert lines[begin + 1] == "mlp: out of memory; lower --batch-size or --hidden"
    assert "Traceback" not in err


# Faults

LONG = (*("40" if word == "2" else word for word in DIGITS), "--batch-size", "129")


def wait_for(path: str) -> None:
    deadline = time.monotonic() + 60
    while not Path(path).exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.01)


def assert_goes_on_alone(mlp: Any, checkpoints: Any) -> None:
    """The checkpoint is whole, and continued by one process it ends where that would have been."""
    mlp.trained(*LONG, "-o", "whole.npz", "-q")
    mlp.ok("train", "--resume", "model.npz", "-q")
    assert_close(checkpoints, "whole.npz", "model.npz")


def test_a_killed_rank_ends_the_run_and_the_last_checkpoint_is_whole(
    mlp, mpirun, checkpoints
) -> None:
    process = mpirun(2, *driver([["train", *LONG, "--mpi"]], SLOWLY))
    wait_for("model.npz")
    os.kill(int(Path("pid-1").read_text()), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "exited on\nsignal 9 (Killed)" in err
    line = next(line for line in err.splitlines() if line.startswith("mlp: "))
    assert line == (
        "mlp: terminated while waiting for another rank, which may be gone; model.npz is whole; "
        "resume with: mpirun -n 2 mlp train --mpi --resume model.npz"
    )
    assert checkpoints.meta("model.npz")["history"]
    assert_goes_on_alone(mlp, checkpoints)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_one_rank_stops_all_after_the_same_step(
    mlp, mpirun, checkpoints, number: signal.Signals
) -> None:
    process = mpirun(2, *driver([["train", *LONG, "--mpi", "-q"]], SLOWLY))
    wait_for("model.npz")
    os.kill(int(Path("pid-1").read_text()), number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert codes(0) == codes(1) == [128 + number]
    said = {signal.SIGTERM: "terminated", signal.SIGINT: "interrupted"}[number]
    lines = [line for line in err.splitlines() if line.startswith("mlp: ")]
    assert lines == [f"mlp: {said}; resume with: mpirun -n 2 mlp train --mpi --resume model.npz"]
    assert_goes_on_alone(mlp, checkpoints)


def test_ctrl_c_on_the_launcher_writes_the_checkpoint_and_says_how_to_resume(
    mlp, mpirun, checkpoints
) -> None:
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    process = mpirun(
        2,
        *driver([["train", *LONG, "--mpi", "-q"]], SLOWLY),
        **dict.fromkeys(("stdin", "stdout", "stderr"), theirs),
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    os.close(theirs)
    wait_for("model.npz")
    before = json.loads(str(checkpoints.arrays("model.npz")["resume/progress"]))
    time.sleep(0.3)
    os.write(ours, b"\x03")
    shown = b""
    try:
        while piece := os.read(ours, 1000):
            shown += piece
    except OSError:  # the terminal's other end is closed
        pass
    os.close(ours)
    assert process.wait(60) != 0
    text = shown.decode()
    assert "mlp: terminated; resume with: mpirun -n 2 mlp train --mpi --resume model.npz" in text
    after = json.loads(str(checkpoints.arrays("model.npz")["resume/progress"]))
    assert after["step"] > before["step"]
    assert_goes_on_alone(mlp, checkpoints)


def test_a_rank_that_waits_in_vain_says_so_once_a_signal_comes() -> None:
    ranks = object.__new__(Mpi)
    ranks.rank, ranks.waits = 0, 0
    said = threading.Event()
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        with ranks.watched(said.set):
            os.kill(os.getpid(), signal.SIGTERM)
            assert not said.wait(0.3)  # it was not waiting
            ranks.waits += 1
            os.kill(os.getpid(), signal.SIGTERM)
            assert said.wait(10)
            ranks.waits += 1
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [signal.SIGTERM] * 2


# Shares


def shares(size: int, n: int) -> list[slice]:
    found = []
    for rank in range(size):
        ranks = object.__new__(Mpi)
        ranks.rank, ranks.size = rank, size
        found.append(ranks.share(n))
    return found


@given(size=st.integers(1, 20), n=st.integers(0, 100))
def test_the_shares_are_all_rows_once_and_differ_by_one_at_most(size: int, n: int) -> None:
    cut = shares(size, n)
    assert [row for share in cut for row in range(n)[share]] == list(range(n))
    lengths = [share.stop - share.start for share in cut]
    assert max(lengths) - min(lengths) <= 1
    assert all(
        more.stop - more.start >= share
        for more, share in zip(shares(size, n + 1), lengths, strict=True)
    )


# Without MPI


def python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_mpi_nothing_imports_it(mlp) -> None:
    code = (
        "import sys; from mlpcli.cli import run; run(sys.argv[1:]); print('mpi4py' in sys.modules)"
    )
    result = python(code, "train", *DIGITS, "-q")
    assert result.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize(
    ("before", "environment", "said"),
    [
        (
            "sys.modules['mpi4py'] = None",
            {},
            "--mpi needs mpi4py; install it by: "
            + shlex.join([sys.executable, "-m", "pip", "install", "mpi4py"]),
        ),
        ("", {"MPI4PY_LIBMPI": "/nothing.so"}, "--mpi: mpi4py finds no MPI library (cannot load"),
        (
            "",
            {"SLURM_STEP_NUM_TASKS": "3"} | {"OMPI_ALLOW_RUN_AS_ROOT": "1"},
            "--mpi: 3 processes were started, but each finds itself alone: the launcher is not of",
        ),
    ],
    ids=["no mpi4py", "no library", "another launcher"],
)
def test_ranks_that_cannot_be_are_refused(
    mlp, before: str, environment: dict[str, str], said: str
) -> None:
    code = f"import sys; {before}\nfrom mlpcli.cli import main; main(sys.argv[1:])"
    result = python(code, "train", "--mpi", "-q", **environment)
    assert result.returncode == 2
    assert result.stderr.startswith(f"mlp: {said}")
    assert len(result.stderr.splitlines()) == 1


def test_one_process_has_nothing_to_do_with_others() -> None:
    job = Job()
    array = np.arange(3.0)
    job.send(array)
    job.same("weights", array)
    job.wait()
    assert array.tolist() == [0, 1, 2]
    assert job.first(lambda: 5) == 5
    assert job.cores() is None
    with job.whole(), job.together(), job.watched(lambda: None):
        pass
