"""`make reproduce` and `make records`: published results by their configs, as a table.

Each row of ROWS is a file in configs/, what its source reached, and what ours is to reach. It says
what is counted, as its source counts it:

- "error", "accuracy": on the test rows, of the weights that `mlp train` saves: those of the best
  validation epoch, and without validation rows the last ones;
- "train": accuracy on the training rows, of the same weights;
- "best test epoch": the highest test accuracy of any epoch. Nielsen's chapter 1 counts so; nothing
  is chosen by it here;
- "best epoch, last 10,000": the same on the last 10,000 training rows, held out as Nielsen does.

Of a committee, it is that of the mean of its members' probabilities, and the seconds are of all.

A run that is finished is put down in build/results.jsonl at once, with its command, and is not
repeated while its config stays as it is (`--again` repeats it), nor for another row of the same
options. One that was stopped is resumed from its checkpoint in build/runs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from mlpcli.config.config import Config, make_config
from mlpcli.config.options import OPTIONS
from mlpcli.config.toml import read_config

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
RESULTS = BUILD / "results.jsonl"

LAST = "best epoch, last 10,000"
BEST = ("best test epoch", LAST)


@dataclass(frozen=True)
class Row:
    """A published result.

    Attributes:
        config: the name of its file in configs/.
        source: whose result, of what.
        counts: what is counted, see above.
        published, must, goal: in %, of what is counted.
        long: whether `make records` runs it, and not `make reproduce`.
        seeds: how many runs, with the seeds 0, 1, ….
        alone: whether nothing else may run beside it, with every core its own.
        committees: how many disjoint ones, of so many seeds each, are counted; 0: each run is.
        own: options that its members have besides, by turns.
    """

    config: str
    source: str
    counts: str
    published: float | None
    must: float
    goal: float | None = None
    long: bool = False
    seeds: int = 5
    alone: bool = False
    committees: int = 0
    own: tuple[dict[str, Any], ...] = ()

    @property
    def path(self) -> Path:
        return ROOT / "configs" / f"{self.config}.toml"

    def checkpoint(self, seed: int) -> Path:
        """Of the run with a seed; rows of the same options share it."""
        options = read_config(self.path)
        first = next(row for row in ROWS if read_config(row.path) == options)
        return BUILD / "runs" / f"{first.config}-{seed}.npz"

    def reaches(self, value: float, figure: float) -> bool:
        return value <= figure if self.counts == "error" else value >= figure


WAYS: tuple[dict[str, Any], ...] = (
    {"deslant": False},
    {},
    {"digit_width": 16.0},
    {"digit_width": 18.0},
    {"digit_width": 20.0},
)
"""How each member of a committee sees the digits; the Makefile has the same."""

ROWS = [
    Row("spiral-linear", "CS231n, softmax regression", "train", 49.0, 49.0),
    Row("spiral", "CS231n, 100 ReLU units", "train", 98.0, 98.0),
    Row("note", "the two-layer note", "accuracy", 93.0, 93.0),
    Row("nielsen-ch1", "Nielsen, chapter 1, 30 units", BEST[0], 95.42, 95.0),
    Row("nielsen-ch3", "Nielsen, chapter 3, 100 units", LAST, 98.04, 97.92),
    Row("mnist", "our recommended plain network", "accuracy", None, 98.0),
    Row("fast", "whatever is quickest", "accuracy", None, 98.0, alone=True),
    Row("lecun-300", "LeCun 1998, 300 units", "error", 4.7, 1.9),
    Row("lecun-300-100", "LeCun 1998, 300-100 units", "error", 3.05, 1.7),
    Row("simard-plain", "Simard 2003, 800 units", "error", 1.6, 1.5),
    Row("fashion", "MLPClassifier, 100 units", "accuracy", 87.1, 88.8),
    Row("fashion-wide", "support vector machine", "accuracy", 89.7, 90.2),
    Row("simard-affine", "Simard 2003, affine", "error", 1.1, 0.95, None, True, 1, True),
    Row("simard-elastic", "Simard 2003, elastic", "error", 0.7, 0.65, 0.60, True, 1, True),
    Row("upright", "Simard 2003, upright digits", "error", 0.7, 0.51, None, True, 6),
    Row("srivastava-maxnorm", "Srivastava 2014, 3×1024", "error", 1.06, 1.05, 0.95, True, 1, True),
    Row("adversarial", "Goodfellow 2015, maxout", "error", 0.782, 0.85, 0.64, True, 3),
    Row("adversarial-upright", "the same, upright digits", "error", 0.782, 0.85, 0.64, True, 3),
    Row("ciresan", "Cireşan 2010, 2500-…-500", "error", 0.35, 0.41, 0.35, True, 1, True),
    Row("committee", "25 of 784-800-10", "error", 0.39, 0.39, 0.30, True, 5, False, 1, WAYS),
    Row("fashion-best", "repositories' claims", "accuracy", 90.0, 91.5, 92.3, True, committees=1),
]


# One run


def run(row: Row, seed: int, threads: int | None) -> dict[str, Any]:
    """Train a row's config with a seed; its result."""
    if row.counts in BEST:
        command = [sys.executable, __file__, "--epochs-of", row.config, str(seed)]
        result: dict[str, Any] = json.loads(_output(command))
        return result | {"command": f"python tests/bench/reproduce.py --only {row.config}"}
    checkpoint = row.checkpoint(seed)
    resumed = is_of(checkpoint, row, seed)
    start = ["train", "--resume", str(checkpoint)] if resumed else train(row, seed)
    shared = [] if threads is None else ["--threads", str(threads)]
    words = [*start, *shared, "--json", "-o", str(checkpoint), *([] if row.alone else ["-q"])]
    begun = time.perf_counter()
    report = json.loads(_output([sys.executable, "-m", "mlpcli", *words]))
    seconds = report["seconds"] if resumed else time.perf_counter() - begun
    return {
        "value": evaluate(row, [checkpoint]),
        "seconds": seconds,
        "command": shlex.join(["mlp", *train(row, seed), *shared]),
    }


def train(row: Row, seed: int) -> list[str]:
    config = row.path.relative_to(ROOT)
    words = ["train", "--config", str(config), "--seed", str(seed)]
    for name, value in _own(row, seed).items():
        flag = OPTIONS[name].flag
        words += [flag.replace("--", "--no-")] if value is False else [flag, f"{value:g}"]
    return words


def _own(row: Row, seed: int) -> dict[str, Any]:
    return row.own[seed % len(row.own)] if row.own else {}


def evaluate(row: Row, checkpoints: list[Path]) -> float:
    """What the row counts, in %."""
    split = "train" if row.counts == "train" else "test"
    words = ["evaluate", *map(str, checkpoints), "--split", split, "--json", "-q"]
    scores = json.loads(_output([sys.executable, "-m", "mlpcli", *words]))
    return 100 * float(scores["error_rate" if row.counts == "error" else "accuracy"])


def _output(command: list[str]) -> str:
    """What a process prints; what it says besides is seen, too."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    except subprocess.CalledProcessError as error:
        sys.exit(f"failed with exit code {error.returncode}: {shlex.join(command)}")
    return done.stdout


def _config(row: Row, seed: int) -> Config:
    return make_config(read_config(row.path) | {"seed": seed} | _own(row, seed))


def is_of(checkpoint: Path, row: Row, seed: int) -> bool:
    """Whether there is a checkpoint of this very run, finished or not."""
    from mlpcli.errors import MlpError
    from mlpcli.runs.model import load

    try:
        found = load(checkpoint, resume=True).config.values()
    except MlpError:
        return False
    wanted = _config(row, seed).values()
    return all(found[name] == wanted[name] for name in wanted if OPTIONS[name].lasting)


def best_of_epochs(config_name: str, seed: int) -> dict[str, Any]:
    """Train a config, counting at every epoch's end, as Nielsen does."""
    from mlpcli.data.catalog import data_dir
    from mlpcli.evaluation.metrics import Scorer
    from mlpcli.runs import build
    from mlpcli.runs.material import prepare, prepare_opened

    row = next(row for row in ROWS if row.config == config_name)
    config = _config(row, seed)
    begun = time.perf_counter()
    material = prepare(config, data_dir())
    if row.counts == LAST:
        config = replace(config, data=replace(config.data, val_fraction=0.0))
        data = material.data
        X, y = data.X[:-10_000], data.y[:-10_000]
        last_X, last_y = data.X[-10_000:], data.y[-10_000:]
        material = prepare_opened(config, replace(data, X=X, y=y, X_test=last_X, y_test=last_y))
    config = build.complete(config, material)
    assert config.train.epochs is not None
    net = build.network(config, *material.sizes)
    trainer = build.trainer(config, material, net)
    assert material.splits.test is not None
    scorer = Scorer(net, material.splits.test, material.encoding, material.task)
    each = [scorer.score()[0].headline for _ in trainer.epochs(config.train.epochs, lambda: None)]
    return {"value": 100 * max(each), "seconds": time.perf_counter() - begun}


# All of them


def results(row: Row, jobs: int, *, again: bool) -> list[dict[str, Any]]:
    """The runs of a row, those that are put down already among them."""
    known = {} if again else _known()
    jobs, threads = (1, None) if row.alone else (jobs, 1)

    def one(seed: int) -> dict[str, Any]:
        resolved = hashlib.sha256(_config(row, seed).to_toml().encode()).hexdigest()
        lost = row.committees and not row.checkpoint(seed).exists()
        if resolved in known and not lost:
            return known[resolved]
        result = {"config": row.config, "seed": seed, **run(row, seed, threads)}
        return _put_down(result | {"resolved": resolved})

    with ThreadPoolExecutor(jobs) as pool:
        runs = list(pool.map(one, range(row.seeds * max(row.committees, 1))))
    return [_together(row, runs, number) for number in range(row.committees)] or runs


def _together(row: Row, runs: list[dict[str, Any]], number: int) -> dict[str, Any]:
    """The result of a committee."""
    seeds = range(number * row.seeds, (number + 1) * row.seeds)
    members = [row.checkpoint(seed) for seed in seeds]
    names = " ".join(f"build/runs/{path.name}" for path in members)
    return {
        "value": evaluate(row, members),
        "seconds": sum(runs[seed]["seconds"] for seed in seeds),
        "command": f"mlp evaluate {names}",
    }


def _put_down(result: dict[str, Any]) -> dict[str, Any]:
    BUILD.mkdir(exist_ok=True)
    with RESULTS.open("a") as file:
        file.write(json.dumps(result) + "\n")
    return result


def _known() -> dict[str, dict[str, Any]]:
    """The runs that are put down, by the hash of all their options; the last one of each."""
    text = RESULTS.read_text() if RESULTS.exists() else ""
    return {entry["resolved"]: entry for entry in map(json.loads, text.splitlines())}


HEAD = (
    "| config | source | % counted | published | to reach | ours | runs | s |\n"
    "|---|---|---|---|---|---|---|---|"
)


def line(row: Row, runs: list[dict[str, Any]]) -> str:
    """A row of the Markdown table."""
    values = [r["value"] for r in runs]
    ours = f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")
    mark = "" if row.reaches(mean(values), row.must) else " (not reached)"
    published = "" if row.published is None else f"{row.published:.2f}"
    must = f"{row.must:.2f}" + (f", goal {row.goal:.2f}" if row.goal is not None else "")
    seconds = f"{mean(r['seconds'] for r in runs):.{1 if row.config == 'fast' else 0}f}"
    together = f"{row.seeds} together" + (f", {row.committees} ×" if row.committees > 1 else "")
    count = together if row.committees else len(values)
    return (
        f"| `{row.config}` | {row.source} | {row.counts} | {published} | {must} | "
        f"{ours}{mark} | {count} | {seconds} |"
    )


def chosen(options: argparse.Namespace) -> Iterator[Row]:
    """The rows that were asked for."""
    names = [row.config for row in ROWS]
    for name in options.only or []:
        if name not in names:
            sys.exit(f"--only {name}: no such row; there are {', '.join(names)}")
    for row in ROWS:
        if row.config in options.only if options.only else row.long == options.long:
            yield replace(row, seeds=options.seeds) if options.seeds else row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--long", action="store_true", help="the long rows, not the short ones")
    parser.add_argument("--only", nargs="*", metavar="ROW", help="these rows")
    parser.add_argument("--seeds", type=int, help="runs of each row, or members")
    parser.add_argument("--jobs", type=int, default=2, help="short runs at a time, one thread each")
    parser.add_argument("--again", action="store_true", help="repeat runs that are put down")
    parser.add_argument("--epochs-of", nargs=2, metavar=("ROW", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.epochs_of:
        name, seed = options.epochs_of
        print(json.dumps(best_of_epochs(name, int(seed))))
        return
    os.environ["PYTHONPATH"] = str(ROOT)
    table = [HEAD]
    print(HEAD)
    done = {}
    for row in chosen(options):
        done[row.config] = results(row, options.jobs, again=options.again)
        table.append(line(row, done[row.config]))
        print(table[-1], flush=True)
        name = "records" if options.long else "reproduce"
        BUILD.joinpath(f"{name}.md").write_text("\n".join(table) + "\n")
        BUILD.joinpath(f"{name}.json").write_text(json.dumps(done, indent=1) + "\n")


if __name__ == "__main__":
    main()
