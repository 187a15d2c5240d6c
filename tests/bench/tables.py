"""`make tables`: accuracy and errors of the defaults on real tables, beside other learners.

    python tests/bench/tables.py --splits 0-4 --only titanic,vehicle --realmlp

The folder that MLP_TEST_TABLES names holds the tables, and a README.md whose table says of each
file its task and target. A table is split 80/20 several times, seeded, classes in their shares;
every learner gets the same rows. `mlp train` gets the raw CSV; the peers what tests/bench/
table_peers.py makes of it. Every learner has one thread, and its seconds are of everything from
the raw rows to the predictions; those of `mlp` include the start of its processes.

Peers' results may be kept in a file (--cache); those of `mlp` never are.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

THREADS = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL", "LOKY_MAX")}
os.environ |= THREADS  # before numpy is imported

import numpy as np  # noqa: E402
import table_peers  # noqa: E402

OURS, MEMBERS, REFERENCE = "mlp", "mlp, 4 members", "LightGBM"
SCORES = {"classification": ("accuracy", "log-loss"), "regression": ("RMSE",)}
_ROW = re.compile(r"\| `([^`]+)` \| (\w+) \| ([^|]+?) \|")


@dataclass(frozen=True)
class Table:
    """A table of the folder: where it is, its task and target, and its rows as text."""

    path: Path
    task: str
    target: str

    @property
    def name(self) -> str:
        return self.path.stem

    def read(self) -> tuple[list[str], list[list[str]]]:
        """(names, rows); rows without a target are left out."""
        with self.path.open(newline="") as file:
            names, *rows = csv.reader(file)
        k = names.index(self.target)
        return names, [row for row in rows if row[k].strip() not in ("", "NA")]

    def halves(self, split: int, folder: Path) -> tuple[Path, Path]:
        """Write the training and the test rows of an outer split as two CSV files."""
        names, rows = self.read()
        order, k = np.random.default_rng(split).permutation(len(rows)), names.index(self.target)
        labels = np.array([row[k].strip() for row in rows])
        strata = labels if self.task == "classification" else np.full(len(rows), "")
        held_out: set[int] = set()
        for label in np.unique(strata):
            mine = order[strata[order] == label]
            held_out |= set(mine[: round(0.2 * len(mine))].tolist())
        paths = folder / f"{self.name}-train.csv", folder / f"{self.name}-test.csv"
        for path, test in zip(paths, (False, True), strict=True):
            with path.open("w", newline="") as file:
                chosen = [row for i, row in enumerate(rows) if (i in held_out) == test]
                csv.writer(file).writerows([names, *chosen])
        return paths


def tables_in(folder: Path) -> list[Table]:
    """What the folder's README.md lists."""
    rows = _ROW.findall((folder / "README.md").read_text())
    return [Table(folder / file, task, target) for file, task, target in rows if task in SCORES]


Result = dict[str, float]  # of one learner on one split


class Ours:
    """`mlp train` with its defaults, as a person calls it."""

    def __init__(self, flags: list[str], members: int = 1) -> None:
        self._flags = flags
        self._members = members

    def __call__(self, train: Path, test: Path, target: str, task: str) -> Result:
        begun = time.perf_counter()
        data = ["--data", str(train), "--label-column", target, "--test-fraction", "0"]
        many = ["--members", str(self._members)] if self._members > 1 else []
        with tempfile.TemporaryDirectory() as folder:
            model = str(Path(folder, "model.npz"))
            trained = self._call("train", *data, *self._flags, *many, "-o", model)
            said = self._call("evaluate", model, "--data", str(test))
        scores = _named(said)
        if trained["validation"]:
            held_out = _named(trained["validation"])
            scores |= {f"validation {name}": value for name, value in held_out.items()}
        return scores | {"seconds": time.perf_counter() - begun}

    @staticmethod
    def _call(*words: str) -> Any:
        command = [sys.executable, "-m", "mlpcli", *words, "--json"]
        environment = os.environ | {"MLP_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stderr}")
        return json.loads(done.stdout)


def _named(said: dict[str, Any]) -> Result:
    """The scores of `mlp`'s JSON by the names that they have here."""
    names = {"accuracy": "accuracy", "loss": "log-loss"} if "accuracy" in said else {"rmse": "RMSE"}
    return {ours: said[theirs] for theirs, ours in names.items()}


class Kept:
    """Results that are kept in a file from run to run, by learner, versions, table and split."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._results = json.loads(path.read_text()) if path and path.exists() else {}

    def get(self, key: Iterable[object], compute: Callable[[], Result]) -> Result:
        name = " ".join(map(str, key))
        if name not in self._results:
            self._results[name] = compute()
            if self._path:
                self._path.write_text(json.dumps(self._results))
        result: Result = self._results[name]
        return result


def measure(asked: argparse.Namespace) -> dict[str, dict[str, list[Result]]]:
    """{table: {learner: results, one per split}}."""
    kept, peers = Kept(asked.cache), table_peers.installed(realmlp=asked.realmlp)
    ours = {OURS: Ours(asked.flags.split())}
    if asked.members:
        ours[MEMBERS] = Ours(asked.flags.split(), members=4)
    found: dict[str, dict[str, list[Result]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for table in asked.tables:
            digest = hashlib.sha256(table.path.read_bytes()).hexdigest()[:12]
            by_label = found.setdefault(table.name, {label: [] for label in (*ours, *peers)})
            for split in asked.splits:
                given = *table.halves(split, Path(folder)), table.target, table.task
                for label, learner in ours.items():
                    by_label[label].append(learner(*given))
                for label, peer in peers.items():
                    key = label, peer.version, table.name, digest, split
                    by_label[label].append(kept.get(key, partial(peer, *given)))
                print(f"{table.name}, split {split}", file=sys.stderr)
    return found


def means(found: dict[str, dict[str, list[Result]]], score: str) -> dict[str, dict[str, float]]:
    """{table: {learner: mean over the splits}}, of the tables that have this score."""
    return {
        table: {label: float(np.mean([r[score] for r in rs])) for label, rs in by_label.items()}
        for table, by_label in found.items()
        if score in by_label[OURS][0]
    }


def ranks(values: dict[str, float], *, higher: bool) -> dict[str, float]:
    """1 for the best; equal ones share their mean rank."""
    sign = -1 if higher else 1
    return {
        label: 1 + sum(sign * other < sign * value for other in values.values())
        + (sum(other == value for other in values.values()) - 1) / 2
        for label, value in values.items()
    }  # fmt: skip


def geometric(ratios: Iterable[float]) -> float:
    return float(np.exp(np.mean(np.log([*ratios]))))


def markdown(heads: list[str], rows: Iterable[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def show_tables(found: dict[str, dict[str, list[Result]]], task: str) -> None:
    """Every table's means: accuracy in % and log-loss, or the RMSE and its ratio to LightGBM's."""
    scores = SCORES[task]
    by_score = [means(found, score) for score in scores]
    labels = [*next(iter(by_score[0].values()))]

    def cell(table: str, label: str) -> str:
        first = by_score[0][table][label]
        if task == "regression":
            reference = by_score[0][table].get(REFERENCE)
            return f"{first:.4g}" + (f" ({first / reference:.2f})" if reference else "")
        return f"{100 * first:.1f} / {by_score[1][table][label]:.3f}"

    rows = ([table, *(cell(table, label) for label in labels)] for table in by_score[0])
    print(markdown([" / ".join(scores), *labels], rows))


def summarise(found: dict[str, dict[str, list[Result]]], task: str) -> None:
    """Means, ranks and ratios over all tables of a task, a line per learner."""
    scores = {score: means(found, score) for score in SCORES[task]}
    seconds = means({t: found[t] for t in scores[SCORES[task][0]]}, "seconds")
    labels = [*next(iter(seconds.values()))]
    heads, columns = ["learner"], []
    for score, by_table in scores.items():
        higher = score == "accuracy"
        placed = [ranks(values, higher=higher) for values in by_table.values()]
        if score == "accuracy":
            heads.append("accuracy %")
            columns.append(_mean(labels, by_table, "{:.2f}", 100))
        elif score == "log-loss":
            heads.append("log-loss")
            columns.append(_mean(labels, by_table, "{:.4f}"))
        if score != "accuracy" and REFERENCE in labels:
            heads.append(f"geometric mean of {score} ÷ {REFERENCE}'s")
            columns.append([
                f"{geometric(v[label] / v[REFERENCE] for v in by_table.values()):.3f}"
                for label in labels
            ])  # fmt: skip
        heads.append(f"rank of {score}")
        columns.append([f"{np.mean([p[label] for p in placed]):.2f}" for label in labels])
    heads.append("seconds per run")
    columns.append(_mean(labels, seconds, "{:.2f}"))
    print(markdown(heads, map(list, zip(labels, *columns, strict=True))))


def _mean(
    labels: list[str], by_table: dict[str, dict[str, float]], form: str, factor: float = 1
) -> list[str]:
    return [
        form.format(factor * np.mean([v[label] for v in by_table.values()])) for label in labels
    ]


def show_worst(found: dict[str, dict[str, list[Result]]]) -> None:
    """How optimistic validation was, and the tables on which logistic regression is far better."""
    for label, what in ((OURS, "validation"), (MEMBERS, "out-of-fold")):
        gaps = [
            result["validation accuracy"] - result["accuracy"]
            for by_label in found.values()
            for result in by_label.get(label, [])
            if "validation accuracy" in result
        ]
        if gaps:
            print(f"{label}: {what} accuracy − test accuracy, points: {100 * np.mean(gaps):+.2f}")
    for table, values in means(found, "log-loss").items():
        linear = values.get("logistic or ridge regression")
        if linear is not None and values[OURS] > linear + max(0.02, 0.1 * linear):
            print(f"{table}: log-loss {values[OURS]:.3f}, logistic regression {linear:.3f}")


def _splits(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--splits", type=_splits, default=range(5), help="seeds, as in 0-4")
    parser.add_argument("--only", help="names of tables")
    parser.add_argument("--flags", default="", help="of mlp train, to compare other options")
    parser.add_argument("--no-members", dest="members", action="store_false")
    parser.add_argument("--realmlp", action="store_true", help="RealMLP-TD and -TD-S too: slow")
    parser.add_argument("--cache", type=Path, help="a JSON file that keeps peers' results")
    asked = parser.parse_args()
    folder = os.environ.get("MLP_TEST_TABLES")
    if not folder:
        raise SystemExit("MLP_TEST_TABLES names no folder of tables")
    asked.tables = tables_in(Path(folder))
    if asked.only:
        asked.tables = [table for table in asked.tables if table.name in asked.only.split(",")]
    found = measure(asked)
    for task in SCORES:
        if any(table.task == task for table in asked.tables):
            show_tables(found, task)
            summarise(found, task)
    show_worst(found)


if __name__ == "__main__":
    main()
