"""The second part of `make bench`: what a step costs with each of the other options.

An epoch of each variant in turn, in processes as `mlp train` has them, on a tenth of MNIST's rows;
a Markdown table of medians, and their ratios to plain momentum.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from mlpcli.cli.threads import set_threads, thread_count, training_processes

CORES = os.sched_getaffinity(0)
THREADS = thread_count(None)
PROCESSES = training_processes(THREADS)
set_threads(THREADS // PROCESSES)

from mlpcli.config.config import make_config  # noqa: E402
from mlpcli.data.catalog import data_dir  # noqa: E402
from mlpcli.parallel.ranks import Ranks  # noqa: E402
from mlpcli.runs import build  # noqa: E402
from mlpcli.runs.material import prepare  # noqa: E402
from mlpcli.training.progress import EpochResult  # noqa: E402

VARIANTS: dict[str, dict[str, Any]] = {
    "momentum": {},
    "sgd": {"optimizer": "sgd"},
    "nesterov": {"optimizer": "nesterov"},
    "adam": {"optimizer": "adam"},
    "adamw": {"optimizer": "adamw"},
    "dropout 0.5": {"dropout": 0.5},
    "input dropout 0.2": {"input_dropout": 0.2},
    "max-norm 2": {"max_norm": 2.0},
    "clip-norm 1": {"clip_norm": 1.0},
    "balanced classes": {"class_weight": "balanced"},
    "averaged weights": {"average": "ema"},
    "affine": {"augment": "affine"},
    "elastic": {"augment": "elastic"},
}


def start(hidden: str, values: dict[str, Any]) -> tuple[Ranks, Iterator[EpochResult]]:
    """The ranks of a variant, at work, and its epochs; on other ranks than 0 it does not return."""
    widths = tuple(int(width) for width in hidden.split(","))
    given = {"data": "mnist", "hidden": widths, "epochs": 1000, "lr": 1e-3, "val_fraction": 0.9}
    config = make_config(given | values)
    material = prepare(config, data_dir())
    net = build.network(config, *material.sizes)
    ranks = build.ranks(config, material, net, PROCESSES)
    trainer = build.trainer(config, material, net, ranks)
    trainer.validation = None  # only steps are timed
    results = trainer.epochs(1000, lambda: None)
    ranks.__enter__()
    if ranks.rank:
        try:
            for _ in results:  # until rank 0 goes
                pass
        finally:
            os._exit(1)
    return ranks, results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hidden", default="800")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--output", type=Path, default=Path("build"))
    options = parser.parse_args()
    running = {}
    for name, values in VARIANTS.items():
        os.sched_setaffinity(0, CORES)  # the ranks before have pinned this process to one
        running[name] = start(options.hidden, values)
    times: dict[str, list[float]] = {name: [] for name in running}
    for repeat in range(options.repeats + 1):
        for name, (_, results) in running.items():
            result = next(results)
            if repeat:  # the first one warms the caches
                times[name].append(128e6 / result.samples_per_second)
    plain = median(times["momentum"])
    shape = f"784-{options.hidden.replace(',', '-')}-10"
    lines = [f"| {shape} | µs per step | ÷ momentum |", "|---|---|---|"]
    for name, each in times.items():
        lines.append(f"| {name} | {median(each):,.0f} | {median(each) / plain:.2f} |")
    table = "\n".join(lines)
    print(table)
    file = options.output / "bench.json"
    result = json.loads(file.read_text()) if file.exists() else {}
    result["option_microseconds"] = times
    result["tables"] = result.get("tables", {}) | {"options": table}
    options.output.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=1))
    for ranks, _ in running.values():
        ranks.__exit__(None, None, None)


if __name__ == "__main__":
    main()
