"""`make reproduce`: published results by their configs, over seeds, as a table.

Each row says what is counted, as its source counts it:

- "train": accuracy on the training rows of the saved weights;
- "test": of the best validation epoch (without validation rows: of the last);
- "best test epoch": the highest test accuracy of any epoch. Nielsen's chapter 1 counts so; nothing
  is chosen by it here;
- "best epoch, last 10,000": the same on the last 10,000 training rows, held out as Nielsen does.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from mlpcli.cli.options import set_threads

LAST = "best epoch, last 10,000"
BEST = ("best test epoch", LAST)
CONFIGS = Path(__file__).parent.parent.parent / "configs"


@dataclass(frozen=True)
class Row:
    config: str
    source: str
    counts: str
    published: float


ROWS = [
    Row("spiral-linear", "CS231n, softmax regression", "train", 49.0),
    Row("spiral", "CS231n, 100 ReLU units", "train", 98.0),
    Row("note", "the two-layer note", "test", 93.0),
    Row("nielsen-ch1", "Nielsen, chapter 1, 30 units", "best test epoch", 95.42),
    Row("nielsen-ch3", "Nielsen, chapter 3, 100 units", "best epoch, last 10,000", 98.04),
    Row("mnist", "our recommended plain network", "test", 98.0),
]


def run(row: Row, seed: int) -> dict[str, Any]:
    """Train a row's config with a seed; accuracy in % by the row's count, and seconds."""
    from mlpcli import build
    from mlpcli.config import make_config, read_config
    from mlpcli.data.catalog import data_dir
    from mlpcli.evaluation.metrics import Scorer

    config = make_config(read_config(CONFIGS / f"{row.config}.toml") | {"seed": seed})
    begun = time.perf_counter()
    material = build.prepare(config, data_dir())
    if row.counts == LAST:
        config = replace(config, data=replace(config.data, val_fraction=0.0))
        data = material.data
        X, y = data.X[:-10_000], data.y[:-10_000]
        held_out = {"X_test": data.X[-10_000:], "y_test": data.y[-10_000:]}
        material = build.prepare_opened(config, replace(data, X=X, y=y, **held_out))
    config = build.complete(config, material)
    assert config.train.epochs is not None
    net = build.network(config, *material.sizes)
    trainer = build.trainer(config, material, net)
    splits, scaling = material.splits, material.scaling
    part = splits.train if row.counts == "train" else splits.test
    assert part is not None
    scorer = Scorer(net, part, scaling)
    each_epoch = [
        scorer.score().accuracy if row.counts in BEST else 0.0
        for _ in trainer.epochs(config.train.epochs, lambda: None)
    ]
    trainer.use_best()
    accuracy = scorer.score().accuracy
    return {
        "seed": seed,
        "accuracy": 100 * (max(each_epoch) if row.counts in BEST else accuracy),
        "chosen": 100 * accuracy,
        "seconds": time.perf_counter() - begun,
    }


def line(row: Row, runs: list[dict[str, Any]]) -> str:
    """A row of the Markdown table."""
    values = [r["accuracy"] for r in runs]
    spread = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
    seconds = mean(r["seconds"] for r in runs)
    return (
        f"| `{row.config}` | {row.source} | {row.counts} | {row.published:.2f} | "
        f"{mean(values):.2f}{spread} | {max(values):.2f} | {len(values)} | {seconds:.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[row.config for row in ROWS])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, a thread each")
    parser.add_argument("--output", type=Path, default=Path("build/reproduce.json"))
    options = parser.parse_args()

    print("| config | source | accuracy counted | published | ours, mean ± sd | best | seeds | s |")
    print("|---|---|---|---|---|---|---|---|")
    results = {}
    set_threads(1)
    with ProcessPoolExecutor(options.jobs) as pool:
        for row in ROWS:
            if row.config in options.only:
                runs = list(pool.map(run, [row] * options.seeds, range(options.seeds)))
                results[row.config] = runs
                print(line(row, runs), flush=True)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
