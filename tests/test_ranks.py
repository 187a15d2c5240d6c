"""Several processes that train together come to what one comes to."""

from __future__ import annotations

import functools
import itertools
import mmap
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.config.config import make_config
from mlpcli.data.batches import Batches
from mlpcli.data.columns import Column
from mlpcli.data.dataset import Dataset
from mlpcli.errors import DivergedError, MlpError
from mlpcli.nn.network import MLP
from mlpcli.nn.regularisation import draw_dropout_masks
from mlpcli.parallel import forked
from mlpcli.parallel.cores import affinity
from mlpcli.parallel.forked import Forked
from mlpcli.parallel.ranks import Alone
from mlpcli.runs import build
from mlpcli.runs.material import prepare_opened
from mlpcli.training.loop import Trainer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only")

WIDE = ("--data", "digits", "--hidden", "300", "--epochs", "4", "--threads", "2")


def images() -> Dataset:
    """251 images of three classes."""
    rng = np.random.default_rng(2)
    y = rng.integers(3, size=251)
    X = rng.normal(size=(251, 6)) + 2 * np.eye(3, 6)[y]
    return Dataset("test", X, y, digest="", test_fraction=0.0, image_shape=(2, 3))


def many() -> Dataset:
    """Rows of 70 classes."""
    y = np.arange(251) % 70
    X = np.random.default_rng(2).normal(size=(251, 6)) + y[:, None] / 20
    return Dataset("test", X, y, digest="", test_fraction=0.0, image_shape=(2, 3))


def mixed() -> Dataset:
    """251 rows of numbers, small and large categories, and dates, with gaps."""
    rng = np.random.default_rng(2)
    y = rng.integers(3, size=251)
    parts = [rng.normal(y, 1), rng.integers(0, 90, 251), rng.integers(0, 3, 251) * (y > 0)]
    X = np.column_stack(
        [*parts, 19000 + 7 * y + rng.integers(0, 400, 251), (y * 40 + parts[1]) % 150]
    )
    X[rng.random(X.shape) < 0.1] = np.nan
    columns = (
        Column("a", 0),
        Column("b", 1, "category", tuple(f"b{k:03}" for k in range(90))),
        Column("c", 2, "category", ("p", "q", "r")),
        Column("d", 3, "date"),
        Column("e", 4, "category", tuple(f"e{k:03}" for k in range(150))),
    )
    return Dataset("test", X, y, digest="", test_fraction=0.0, columns=columns)


def trainer_of(size: int, data: Any = images, **values: Any) -> Trainer:
    """A trainer of 201 rows in batches of 25, the last of which has one."""
    options = {
        "hidden": (17, 9), "epochs": 3, "batch_size": 25, "dtype": "float64", "val_fraction": 0.2,
    } | values  # fmt: skip
    config = make_config(options)
    material = prepare_opened(config, data())
    net = build.network(config, *material.sizes)
    ranks = Forked(size) if size > 1 else Alone()
    return build.trainer(config, material, net, ranks)


def train(size: int, **values: Any) -> tuple[Trainer, list[dict[str, Any]]]:
    trainer = trainer_of(size, **values)
    with trainer.ranks:
        results = [vars(result) for result in trainer.epochs(values.get("epochs", 3), lambda: None)]
        trainer.use_best()
    return trainer, results


@functools.cache
def train_alone(**values: Any) -> tuple[Trainer, list[dict[str, Any]]]:
    """What one process comes to, once for all that is compared with it."""
    return train(1, **values)


@pytest.fixture(params=["rows", "units", "units and rows"])
def shared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the ranks share: rows; units, however few; or units, and rows as far as to cut them."""

    def share_units(net: MLP, *_: object) -> bool:
        return request.param != "rows" and len(net.sizes) > 2 and net.takes_inputs_as_they_are

    monkeypatch.setattr(build, "share_units", share_units)
    if request.param == "units and rows":
        monkeypatch.setattr(Batches, "cut_quickly", False)
    return str(request.param)


@pytest.mark.parametrize(
    ("shared", "size"),
    [("rows", 3), ("units", 2), ("units and rows", 3)],
    indirect=["shared"],
)
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"optimizer": "sgd"},
        {"optimizer": "nesterov", "class_weight": "balanced"},
        {"optimizer": "adam", "clip_norm": 0.05},
        {"optimizer": "adamw", "max_norm": 0.7},
        {"val_fraction": 0.0, "label_smoothing": 0.1, "activation": "tanh"},
        {"hidden": ()},
        {"hidden": (13,), "optimizer": "adam"},
        {"hidden": (9, 40, 12, 9), "clip_norm": 0.05, "max_norm": 0.7, "activation": "gelu"},
        {"average": "ema", "max_norm": (0.7, 1.0, 2.0)},
        {"average": "tail", "average_from": 0.4, "batch_size": 4},
        {"augment": "elastic", "mirror_images": True, "gentle_classes": ("1",)},
        {"augment": "affine", "deslant": True, "digit_width": 5.5},
        {"data": many},
        {"mixup": 0.4},
        {"mixup": 0.4, "augment": "affine", "label_smoothing": 0.1},
        {"mixup": 0.4, "data": mixed, "batch_size": 4},
        {"adversarial": "l2:1.0", "class_weight": "balanced"},
        {"adversarial": "virtual:0.5", "batch_size": 4},
        {"data": mixed},
        {"data": mixed, "hidden": (), "scale": "robust"},
        {"data": mixed, "optimizer": "adam", "max_norm": 0.7, "batch_size": 4},
        {"data": mixed, "embedding": "periodic", "average": "ema", "clip_norm": 0.5},
        {"data": mixed, "embedding": "periodic", "hidden": (), "optimizer": "adamw"},
        {"data": mixed, "embedding": "periodic", "input_scale": "learned", "clip_norm": 0.5},
        {"data": mixed, "embedding": "none", "input_scale": "learned", "parametrisation": "ntk"},
    ],
    ids=lambda values: (
        " ".join(getattr(v, "__name__", str(v)) for v in values.values()) or "default"
    ),
)
def test_ranks_end_at_the_weights_of_one_process(
    shared: str, size: int, values: dict[str, Any]
) -> None:
    alone, expected = train_alone(**values)
    together, results = train(size, **values)
    by_rows = values.get("hidden") == () or values.keys() & {"embedding", "input_scale"}
    by_rows = by_rows or "adversarial" in values
    assert bool(together.step.by_units) == (shared != "rows" and not by_rows)
    slow = values.keys() & {"augment", "dropout", "input_dropout"}
    whole = shared == "units" and not by_rows and not slow
    assert bool(together.step.whole_batches) == whole
    scale = np.abs(alone.best).max()
    for a, b in ((together.net.parameters.flat, alone.net.parameters.flat),
                 (together.best, alone.best)):  # fmt: skip
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12 * scale)
    ours = together.snapshot().optimizer
    for name, array in alone.snapshot().optimizer.items():
        np.testing.assert_allclose(ours[name], array, rtol=1e-8, atol=1e-12)
    other = {"seconds", "samples_per_second", "headline"}
    for ours, theirs in zip(results, expected, strict=True):
        for name in ours.keys() - other:
            same = None if theirs[name] is None else pytest.approx(theirs[name], rel=1e-9)
            assert ours[name] == same, name


@pytest.mark.parametrize(
    ("hidden", "rows", "units"),
    [((), 1, False), ((100,), 64, True), ((100,), 256, False), ((256, 256, 256), 64, False),
     ((256, 256, 256), 16, True), ((800,), 64, True)],
)  # fmt: skip
def test_units_are_shared_of_wide_networks_and_small_batches(
    hidden: tuple[int, ...], rows: int, units: bool
) -> None:
    assert build.share_units(MLP([784, *hidden, 10]), rows) == units
    assert not build.share_units(MLP([784, *hidden, 10], embedded=3), rows)


@pytest.mark.parametrize("values", [{}, {"hidden": (9, 40, 12, 9)}, {"hidden": (13,)}], ids=str)
def test_a_rank_that_comes_late_reads_nothing_that_others_have_changed_since(
    shared: str, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = values | {"optimizer": "adam", "max_norm": 0.7, "average": "ema", "batch_size": 64}
    expected, _ = train(2, epochs=1, **values)

    def dawdle(meet: Callable[..., None], late: int) -> Callable[..., None]:
        def after(ranks: Forked, *values: Any) -> None:
            meet(ranks, *values)
            if ranks.rank == late:
                time.sleep(0.002)

        return after

    meets = {name: getattr(Forked, name) for name in ("settle", "total")}
    for late in range(2):
        for name, meet in meets.items():
            monkeypatch.setattr(Forked, name, dawdle(meet, late))
        together, _ = train(2, epochs=1, **values)
        assert together.net.parameters.flat.tobytes() == expected.net.parameters.flat.tobytes()
        assert together.snapshot().last.tobytes() == expected.snapshot().last.tobytes()


@pytest.mark.parametrize("size", [2, 3])
def test_ranks_continue_exactly_whatever_they_share(shared: str, size: int) -> None:
    values = {
        "hidden": (17, 12), "dropout": 0.3, "input_dropout": 0.1, "optimizer": "adam",
        "average": "ema", "max_norm": 2.0,
    }  # fmt: skip
    whole, half = trainer_of(size, **values), trainer_of(size, **values)
    with whole.ranks:
        list(whole.epochs(3, lambda: None))
    with half.ranks:
        list(half.epochs(1, lambda: None))
        snapshot = half.snapshot()
    rest = trainer_of(size, **values)
    rest.restore(snapshot)
    assert rest.snapshot().last.tobytes() == snapshot.last.tobytes()
    with rest.ranks:
        list(rest.epochs(3, lambda: None))
    ours, theirs = rest.snapshot(), whole.snapshot()
    for name in ("last", "best", "average"):
        assert getattr(ours, name).tobytes() == getattr(theirs, name).tobytes(), name
    for name, array in theirs.optimizer.items():
        assert ours.optimizer[name].tobytes() == array.tobytes(), name


def test_ranks_continue_exactly_before_any_batch_whichever_is_late(
    shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A last, smaller batch is parted elsewhere, and a rank may be there before others begin."""
    values = {"dropout": 0.3, "input_dropout": 0.1, "epochs": 1}
    whole, part = trainer_of(2, **values), trainer_of(2, **values)
    with whole.ranks:
        list(whole.epochs(1, lambda: None))
    snapshots = []
    with part.ranks:
        list(part.epochs(1, lambda: snapshots.append(part.snapshot())))
    assert [snapshot.progress.batch for snapshot in snapshots] == list(range(1, part.batches.steps))
    for snapshot, late in itertools.product(snapshots, range(2)):
        rest = trainer_of(2, **values)
        rest.restore(snapshot)

        def draw(*arguments: Any, late: int = late, rest: Trainer = rest) -> None:
            if rest.ranks.rank == late:
                time.sleep(0.002)
            draw_dropout_masks(*arguments)

        monkeypatch.setattr("mlpcli.training.step.draw_dropout_masks", draw)
        with rest.ranks:
            list(rest.epochs(1, lambda: None))
        assert rest.snapshot().last.tobytes() == whole.snapshot().last.tobytes()


@pytest.mark.parametrize("size", [2, 3, 7])
def test_shares_and_parts_cover_everything_once(size: int) -> None:
    ranks = Forked(size)
    for n in (0, 1, 2, 6, 7, 128, 1000):
        for cut in (ranks.share, ranks.part):
            taken = np.zeros(n, int)
            for ranks.rank in range(size):
                taken[cut(n)] += 1
            assert (taken == 1).all()
    ranks.rank = 0
    assert [ranks.share(128).stop] == [128 // size]


def test_what_ranks_share_is_balanced_to_a_row() -> None:
    ranks = Forked(3)
    lengths = []
    for ranks.rank in range(3):
        share = ranks.share(128)
        lengths.append(share.stop - share.start)
    ranks.rank = 0
    assert sorted(lengths) == [42, 43, 43]


def test_sums_longer_than_the_shared_slot_are_right() -> None:
    with Forked(2) as ranks:
        values = np.arange(5000.0) * (ranks.rank + 1)
        ranks.total(values)
        assert ranks.agree(7 + ranks.rank) == 7
    np.testing.assert_array_equal(values, 3 * np.arange(5000.0))


class Clock:
    """What `parallel.forked` takes for `time`: it moves by what each rank says that it works.

    Each meeting ends for all when the last of them comes.
    """

    def __init__(self, size: int) -> None:
        self.now, self._turn, self._asked = 0.0, 0, 0
        self._come = np.frombuffer(mmap.mmap(-1, 2 * size * 8)).reshape(2, size)

    def work(self, ranks: Forked, seconds: float) -> None:
        """Work for so long, then meet."""
        self._turn, self._asked = 1 - self._turn, 0
        self.now += seconds
        self._come[self._turn, ranks.rank] = self.now
        ranks.settle()

    def perf_counter(self) -> float:
        """As a meeting begins, and from its end on."""
        self._asked += 1
        if self._asked > 1:
            self.now = float(self._come[self._turn].max())
        return self.now


@pytest.mark.skipif(len(affinity()) != 2, reason="ranks keep to a core each if all cores are taken")
def test_ranks_that_wait_for_long_take_turns_on_a_core_that_depends_on_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that runs beside each other do not all choose one. They try a core each again, after twice
    as long each time that there is still other work.
    """
    clock, all_cores = Clock(2), affinity()
    monkeypatch.setattr(forked, "time", clock)
    one_core = {sorted(all_cores)[os.getpid() % 2]}
    with Forked(2) as ranks:
        own = {sorted(all_cores)[ranks.rank]}

        def take_turns(slow: float) -> bool:
            clock.work(ranks, slow if ranks.rank else 0.01)
            return ranks.over_parts(float(affinity() == one_core)) > 1

        assert affinity() == own
        busy = [take_turns(0.04) for _ in range(500)]  # as if other work had rank 1's core
        lengths = [len(list(run)) for turns, run in itertools.groupby(busy) if turns]
        # 0.1 seconds are over in 3 meetings; the other rank may see at the next one what is decided
        assert [round(n / 3) for n in lengths[:-1]] == [1, 2, 4, 8, 16, 32, 32, 32]
        quiet = [take_turns(0.01) for _ in range(200)]
        assert not any(quiet[quiet.index(False) :])
    assert affinity() == all_cores


def test_ranks_diverge_together() -> None:
    before = children()  # such as a browser that another test has started
    trainer = trainer_of(2, lr=1e9)
    with pytest.raises(DivergedError, match="the loss became"), trainer.ranks:
        list(trainer.epochs(3, lambda: None))
    assert set(children()) <= set(before)


def children() -> list[int]:
    """The processes whose parent is this one."""
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in path.read_text().split()]


def test_where_one_of_three_ranks_dies_the_others_end_too() -> None:
    before = children()
    trainer = trainer_of(3)

    def die() -> None:
        if trainer.ranks.rank == 1 and trainer.progress.step == 5:
            os._exit(7)

    with pytest.raises(MlpError, match=r"one of the 3 .* ended with code 7"), trainer.ranks:
        list(trainer.epochs(3, die))
    assert set(children()) <= set(before)


@pytest.mark.two_cores
def test_a_rank_that_dies_is_an_error_of_one_line(mlp) -> None:
    process = mlp.process(*mlp.once("train", *WIDE, "--epochs", "100000"), "-q")
    child = first_child(process.pid)
    os.kill(child, signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == (
        "mlp: one of the 2 processes that train was killed by signal 9; "
        "free memory, or use --threads 1\n"
    )
    assert mlp.ok("evaluate", "model.npz").out


def first_child(pid: int, timeout: float = 30) -> int:
    """The child of a run that has written its first checkpoint."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if found and Path("model.npz").exists():
            return int(found[0])
        time.sleep(0.01)
    raise AssertionError("no child, or no checkpoint")


@pytest.mark.two_cores
def test_ranks_do_not_outlive_a_run_that_is_killed(mlp) -> None:
    process = mlp.process(*mlp.once("train", *WIDE, "--epochs", "100000"), "-q")
    child = first_child(process.pid)
    process.kill()
    process.communicate(timeout=60)
    end = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.two_cores
def test_a_signal_stops_all_ranks_between_two_steps(mlp, checkpoints, number, code) -> None:
    options = mlp.once(*WIDE, "--epochs", "80", "--dropout", "0.3", "-q")
    process = mlp.process("train", *options, "-o", "model.npz")
    first_child(process.pid)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert err.endswith("; resume with: mlp train --resume model.npz --threads 2\n")
    mlp.ok("train", "--resume", "model.npz", "--threads", "2", "-q")
    mlp.trained(*options, "-o", "whole.npz")
    checkpoints.assert_same("whole.npz", "model.npz")


@pytest.mark.two_cores
def test_two_threads_give_the_same_bytes_again_and_say_everything_once(mlp, checkpoints) -> None:
    first = mlp.ok("train", *WIDE, "--json", "-o", "one.npz", "--log", "log.jsonl")
    assert first.json["epochs"] == 4
    assert first.err.count("epoch 4/4") == 1
    assert len(Path("log.jsonl").read_text().splitlines()) == 6
    mlp.ok("train", *WIDE, "-o", "two.npz")
    checkpoints.assert_same("one.npz", "two.npz")
    assert checkpoints.meta("one.npz")["threads"] == 2


# Where the system refuses


def run(mlp, before: str, *arguments: object) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of `mlp` as a process, after some lines of Python."""
    code = f"import os, signal, sys\n{before}\nfrom mlpcli.cli import main\nmain()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=mlp.folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


REFUSED = {
    "semaphores, as /dev/shm is full": (
        "import multiprocessing.synchronize as s\n"
        "def refuse(*_, **__): raise OSError(28, 'No space left on device')\n"
        "s.SemLock.__init__ = refuse",
        "/dev/shm cannot be used (No space left on device)",
    ),
    "semaphores, as there is no /dev/shm": (
        "import multiprocessing.synchronize as s\n"
        "def refuse(*_, **__): raise FileNotFoundError(2, 'No such file or directory')\n"
        "s.SemLock.__init__ = refuse",
        "/dev/shm cannot be used (No such file or directory)",
    ),
    "processes": (
        "def refuse(): raise BlockingIOError(11, 'Resource temporarily unavailable')\n"
        "os.fork = refuse",
        "no other process can be started (Resource temporarily unavailable)",
    ),
    "memory for processes": (
        "def refuse(): raise OSError(12, 'Cannot allocate memory')\nos.fork = refuse",
        "no other process can be started (Cannot allocate memory)",
    ),
    "memory to share": (
        "import mmap\ndef refuse(*_): raise OSError(12, 'Cannot allocate memory')\n"
        "mmap.mmap = refuse",
        "memory cannot be shared (Cannot allocate memory)",
    ),
    "memory to share, later": (
        "import mmap\nmap, calls = mmap.mmap, []\n"
        "def refuse(*arguments):\n"
        "    calls.append(1)\n"
        "    if len(calls) > 8: raise OSError(12, 'Cannot allocate memory')\n"
        "    return map(*arguments)\n"
        "mmap.mmap = refuse",
        "memory cannot be shared (Cannot allocate memory)",
    ),
}


@pytest.mark.parametrize(("before", "why"), REFUSED.values(), ids=REFUSED)
@pytest.mark.two_cores
def test_what_the_system_refuses_leaves_one_process_that_comes_to_the_same(
    mlp, checkpoints, before: str, why: str
) -> None:
    mlp.trained(*mlp.once(*WIDE, "--threads", "1"), "-q", "-o", "alone.npz")
    code, out, err = run(mlp, before, "train", *WIDE)
    assert code == 0, err
    assert err.splitlines()[1] == f"{why}: one process trains instead of 2"
    assert out.count("written") == 1
    checkpoints.assert_same("alone.npz", "model.npz")
    assert checkpoints.meta("model.npz")["threads"] == 1
    assert sorted(os.listdir()) == ["alone.npz", "model.npz"]


NOT_NEEDED = {
    "pinning": "del os.sched_setaffinity",
    "pinning, where it is forbidden": (
        "def refuse(*_): raise PermissionError(1, 'Operation not permitted')\n"
        "os.sched_setaffinity = refuse"
    ),
    "SIGCHLD": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
}


@pytest.mark.parametrize("before", NOT_NEEDED.values(), ids=NOT_NEEDED)
def test_two_processes_do_without_pinning_and_with_children_ignored(
    mlp, checkpoints, before: str
) -> None:
    mlp.trained(*WIDE, "-q", "-o", "plain.npz")
    code, out, err = run(mlp, before, "train", *WIDE, "-q")
    assert (code, err) == (0, "")
    assert out.count("written") == 1
    checkpoints.assert_same("plain.npz", "model.npz")


@pytest.mark.two_cores
def test_where_children_are_ignored_one_that_dies_is_told_still(mlp) -> None:
    before = NOT_NEEDED["SIGCHLD"] + (
        "\nfrom mlpcli.training.step import Step\ntake = Step.take\n"
        "def die(self, *arguments):\n"
        "    if self.ranks.rank: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return take(self, *arguments)\n"
        "Step.take = die"
    )
    code, _, err = run(mlp, before, "train", *WIDE, "-q")
    assert (code, err) == (
        1,
        "mlp: one of the 2 processes that train was killed by signal 9; "
        "free memory, or use --threads 1\n",
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("MemoryError", "failed: out of memory"),
        ("OSError(5, 'Input/output error')", "failed: Input/output error"),
        ("ZeroDivisionError('by\\nzero')", "failed: by zero"),
        ("SystemExit(0)", "failed: 0"),
    ],
)
@pytest.mark.two_cores
def test_a_rank_that_fails_says_why_and_runs_nothing_else(mlp, error: str, said: str) -> None:
    before = (
        "import atexit; atexit.register(print, 'the end of', os.getpid())\n"
        "from mlpcli.training.step import Step\ntake = Step.take\n"
        "def fail(self, order, epoch, number, *more):\n"
        f"    if self.ranks.rank and number == 3: raise {error}\n"
        "    return take(self, order, epoch, number, *more)\n"
        "Step.take = fail"
    )
    code, out, err = run(mlp, before, "train", *WIDE, "-q")
    assert (code, err) == (
        1,
        f"mlp: one of the 2 processes that train {said}; free memory, or use --threads 1\n",
    )
    assert out.count("the end of") == 1


@pytest.mark.two_cores
def test_a_rank_that_fails_as_it_begins_runs_nothing_else(mlp) -> None:
    before = (
        "import atexit; atexit.register(print, 'the end of', os.getpid())\n"
        "parent, old = os.getpid(), signal.signal\n"
        "def fail(*arguments):\n"
        "    if os.getpid() != parent: raise OSError(22, 'Invalid argument')\n"
        "    return old(*arguments)\n"
        "signal.signal = fail"
    )
    code, out, err = run(mlp, before, "train", *WIDE, "-q")
    assert code == 1
    assert err.startswith("mlp: one of the 2 processes that train ended with code 1;")
    assert err.count("\n") == 1
    assert out.count("the end of") == 1


def test_where_the_third_process_is_refused_the_second_ends_and_one_trains() -> None:
    expected, _ = train_alone()
    trainer = trainer_of(3)
    before = children()
    fork, forks = os.fork, []

    def refuse() -> int:
        forks.append(1)
        if len(forks) > 1:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return fork()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fork", refuse)
        trainer.ranks.__enter__()
    assert set(children()) <= set(before)
    assert trainer.ranks.size == 1
    list(trainer.epochs(3, lambda: None))
    trainer.use_best()
    trainer.ranks.__exit__(None, None, None)
    np.testing.assert_array_equal(trainer.best, expected.best)


@pytest.mark.two_cores
def test_other_work_on_the_cores_is_noticed_and_said(mlp) -> None:
    delayed = (
        "import mlpcli.commands.train_display as d, time\n"
        "begun = time.monotonic()\n"
        "d.seconds_ready = lambda: {share} * (time.monotonic() - begun)\n"
        "d.OBSERVED = 0.05"
    )
    long = mlp.once("train", *WIDE, "--epochs", "20")
    alone = mlp.once(*long, "--threads", "1")
    _, _, err = run(mlp, delayed.format(share=0.5), *long)
    said = [line for line in err.splitlines() if line.startswith("warning: other work")]
    assert len(said) == 1
    assert re.fullmatch(
        r"warning: other work has these cores [345]\d % of the time, and the 2 processes wait for "
        r"each other: --threads 1 is about as fast now",
        said[0],
    )
    assert "other work" not in run(mlp, delayed.format(share=0.1), *long)[2]
    assert "other work" not in run(mlp, delayed.format(share=0.5), *alone)[2]
