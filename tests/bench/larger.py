"""`make larger`: training on data larger than one would load, mapped from the disk.

A folder of X.npy and y.npy with some millions of generated rows is trained on twice in each repeat,
side by side: memory-mapped, as `mlp train --data FOLDER` has it, and with X read into memory first.
It prints the throughput of both (medians), their ratio, and the most memory of their own that the
training processes had (anonymous pages: what is mapped belongs to the page cache).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

from mlpcli.cli.threads import set_threads, thread_count, training_processes

THREADS = thread_count(None)
PROCESSES = training_processes(THREADS)
set_threads(THREADS // PROCESSES)

import numpy as np  # noqa: E402

from mlpcli.config.config import make_config  # noqa: E402
from mlpcli.runs import build  # noqa: E402
from mlpcli.runs.material import prepare, prepare_opened  # noqa: E402

CHUNK = 100_000


def generate(folder: Path, rows: int, inputs: int) -> None:
    """X.npy (rows, inputs) float32 of ten noisy classes, and y.npy, written chunk by chunk."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((10, inputs), np.float32)
    y = rng.integers(10, size=rows)
    np.save(folder / "y.npy", y)
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", np.float32, (rows, inputs))
    for start in range(0, rows, CHUNK):
        part = y[start : start + CHUNK]
        X[start : start + CHUNK] = centres[part] + rng.standard_normal(
            (len(part), inputs), np.float32
        )
    X.flush()


def train(folder: Path, hidden: str, *, mapped: bool) -> tuple[float, float]:
    """(samples per second, peak MB of anonymous memory over all processes) of an epoch."""
    widths = tuple(int(width) for width in hidden.split(","))
    config = make_config({"data": str(folder), "hidden": widths, "epochs": 1, "val_fraction": 0.0})
    data = prepare(config, folder).data
    if not mapped:
        data = replace(data, X=np.array(data.X))
    material = prepare_opened(config, data)
    net = build.network(config, *material.sizes)
    ranks = build.ranks(config, material, net, PROCESSES)
    trainer = build.trainer(config, material, net, ranks)
    with ranks, watched(os.getpid()) as peak:
        result = next(trainer.epochs(1, lambda: None))
        rate = result.samples_per_second
    return rate, peak.value


class watched:  # noqa: N801
    """The most anonymous memory, in MB, of a process and its children while the block runs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.value = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> watched:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
            self.value = max(self.value, sum(map(anonymous, [str(self.pid), *children])))


def anonymous(pid: str) -> float:
    """MB of anonymous memory of a process, with what it shares with its children."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    sizes = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Rss")}
    return (float(sizes["RssAnon"]) + float(sizes["RssShmem"])) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--inputs", type=int, default=256)
    parser.add_argument("--hidden", default="100")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    figures: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
        folder = Path(name)
        begun = time.perf_counter()
        generate(folder, options.rows, options.inputs)
        size = (folder / "X.npy").stat().st_size / 1e6
        print(f"{options.rows:,} rows of {options.inputs} float32, {size:,.0f} MB, made in "
              f"{time.perf_counter() - begun:.0f} s", flush=True)  # fmt: skip
        for _ in range(options.repeats):
            for mapped in figures:
                sys.stdout.flush()
                child = os.fork()  # each in a process of its own
                if child == 0:
                    rate, memory = train(folder, options.hidden, mapped=mapped)
                    (folder / "result").write_text(f"{rate} {memory}")
                    os._exit(0)
                os.waitpid(child, 0)
                rate, memory = map(float, (folder / "result").read_text().split())
                figures[mapped].append((rate, memory))
    rates = {mapped: median(rate for rate, _ in rows) for mapped, rows in figures.items()}
    for mapped, rows in figures.items():
        print(f"{'mapped' if mapped else 'in memory'}: {rates[mapped]:,.0f} samples/s, "
              f"peak {max(memory for _, memory in rows):,.0f} MB of its own")  # fmt: skip
    print(f"mapped ÷ in memory: {rates[True] / rates[False]:.2f}")


if __name__ == "__main__":
    main()
