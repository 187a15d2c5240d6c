"""`make ingredients`: what each part of a recipe is worth, measured with and without it.

Each config of STUDIES is trained in a shorter plan on five sixths of the training rows, as it is
and with some flags changed; the other sixth, drawn by the seed, says what that does. The test rows
are not looked at. One thread per run, two runs at a time (`--jobs`).

A run that is finished is put down in build/ingredients.jsonl at once, and is not repeated for the
same options.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

ROOT = Path(__file__).parents[2]
DONE = ROOT / "build" / "ingredients.jsonl"
SHARED = "--val-fraction 0.1666 --threads 1"
DROPOUT = "--dropout 0.2 --input-dropout 0.1"  # as fashion-best had it


@dataclass(frozen=True)
class Study:
    """A recipe, and how it is changed.

    Attributes:
        config: the name of its file in configs/.
        epochs: of the shorter plan.
        changes: what is done differently, and the flags that do it.
        seeds: runs of each.
        shared: flags of all of them, by which they are shorter.
    """

    config: str
    epochs: int
    changes: dict[str, str]
    seeds: int = 2
    shared: str = ""

    def command(self, flags: str, seed: int) -> str:
        words = f"mlp train --config configs/{self.config}.toml --epochs {self.epochs}"
        return " ".join([words, *filter(None, (self.shared, f"--seed {seed} {SHARED}", flags))])


STUDIES = [
    Study(
        "nielsen-ch1",
        30,
        {
            "cross-entropy (chapter 3)": "--loss bce --lr 0.5",
            "initial weights of 1/√n (chapter 3)": "--init he --init-scale 0.7071",
            "both": "--loss bce --lr 0.5 --init he --init-scale 0.7071",
        },
    ),
    Study(
        "simard-elastic",
        60,
        {
            "no distortions": "--augment none",
            "affine ones only": "--augment affine",
            "elastic ones only": "--rotate 0 --shear 0 --zoom 0 --shift 0",
            "σ 4, α 34 (Simard)": "--elastic-sigma 4 --elastic-alpha 34",
            "1 and 7 as all others": "--gentle-classes none",
            "the last weights": "--average none",
            "an exponential average": "--average ema",
            "a constant rate of 0.03": "--lr-schedule constant --lr 0.03",
        },
    ),
    Study(
        "srivastava-maxnorm",
        20,
        {
            "no dropout": "--dropout 0 --input-dropout 0",
            "of hidden units only": "--input-dropout 0",
            "half as many inputs dropped": "--input-dropout 0.1",
            "smoothed labels": "--label-smoothing 0.1",
            "no limit of norms": "--max-norm 1e9",
            "momentum rising from 0.5 (Srivastava)": "--momentum 0.5 --final-momentum 0.95",
            "the last weights": "--average none",
        },
        seeds=1,
    ),
    Study(
        "adversarial",
        15,
        {
            "none": "--adversarial none",
            "l2:2.5": "--adversarial l2:2.5",
            "linf:0.1": "--adversarial linf:0.1",
            "virtual:1.5": "--adversarial virtual:1.5",
        },
        seeds=3,
        shared="--hidden 300 --reg 1e-5",
    ),
    Study(
        "lecun-300",
        20,
        {"upright digits": "--deslant", "18 pixels wide, too": "--deslant --digit-width 18"},
        seeds=3,
    ),
    Study("upright", 30, {"as they lean": "--no-deslant"}, seeds=3),
    Study(
        "fashion-wide",
        60,
        {
            "smoothed labels": "--label-smoothing 0.1",
            "standardised pixels": "--scale standard",
            "no dropout": "--dropout 0 --input-dropout 0",
            "half of the hidden units dropped": "--dropout 0.5",
            "more of the inputs dropped": "--input-dropout 0.2",
            "a penalty of 3e-4": "--reg 3e-4",
            "4000 units": "--hidden 4000",
            "the last weights": "--average none",
        },
        seeds=1,
    ),
    Study(
        "fashion-best",
        60,
        {
            "no mirroring": "--augment none",
            "dropout in mixup's place": f"--mixup 0 {DROPOUT}",
            "the same, no mirroring": f"--mixup 0 {DROPOUT} --augment none",
            "the same, moved, turned and zoomed a little": (
                f"--mixup 0 {DROPOUT} --rotate 3 --shear 3 --zoom 0.05 --shift 1"
            ),
            "the same, inputs not dropped": "--mixup 0 --dropout 0.2",
            "the same, smoothed labels": f"--mixup 0 {DROPOUT} --label-smoothing 0.1",
            "the same, the last weights": f"--mixup 0 {DROPOUT} --average none",
        },
        seeds=1,
    ),
    Study(
        "fashion-best",
        30,
        {
            "no mirroring": "--augment none",
            "no mirroring, hidden units dropped": "--augment none --dropout 0.2",
            "no mirroring, no mixup": "--augment none --mixup 0",
            "dropout in mixup's place": f"--mixup 0 {DROPOUT}",
            "the same, no mirroring": f"--mixup 0 {DROPOUT} --augment none",
        },
        seeds=3,
        shared="--hidden 800,400",
    ),
]


def run(command: str) -> dict[str, float]:
    """Train, and put down accuracy and loss on the validation rows at the plan's end."""
    words = [sys.executable, "-m", "mlpcli", *shlex.split(command)[1:]]
    asked = [*words, "--print-config"]
    options = subprocess.run(asked, stdout=subprocess.PIPE, check=True, cwd=ROOT).stdout
    resolved = hashlib.sha256(options).hexdigest()
    if DONE.exists():
        for entry in map(json.loads, DONE.read_text().splitlines()):
            if entry["resolved"] == resolved:
                return dict(entry)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "run.jsonl")
        extra = ["-q", "--log", str(log), "-o", str(Path(folder, "run.npz"))]
        subprocess.run([*words, *extra], stdout=subprocess.DEVNULL, check=True, cwd=ROOT)
        last = [json.loads(line) for line in log.read_text().splitlines()][-2]
    found: dict[str, Any] = {
        "command": command,
        "error": 100 * (1 - last["val_accuracy"]),
        "loss": last["val_loss"],
        "seconds": last["seconds"],
        "resolved": resolved,
    }
    with DONE.open("a") as file:
        file.write(json.dumps(found) + "\n")
    return found


def line(label: str, runs: list[dict[str, float]]) -> str:
    """A row of the Markdown table."""
    cells = []
    for key, digits in (("error", 2), ("loss", 4), ("seconds", 0)):
        values = [r[key] for r in runs]
        spread = len(values) > 1 and key == "error"
        cells.append(
            f"{mean(values):.{digits}f}" + (f" ± {stdev(values):.{digits}f}" if spread else "")
        )
    return f"| {label} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", metavar="CONFIG", help="these studies")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, one thread each")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    DONE.parent.mkdir(exist_ok=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        for study in STUDIES:
            if options.only and study.config not in options.only:
                continue
            print(f"\n| `{study.config}`, {study.epochs} epochs | error, % | loss | s |")
            print("|---|---|---|---|")
            runs = {
                label: [pool.submit(run, study.command(flags, seed)) for seed in range(study.seeds)]
                for label, flags in {"as it is": "", **study.changes}.items()
            }
            for label, futures in runs.items():
                print(line(label, [future.result() for future in futures]), flush=True)


if __name__ == "__main__":
    main()
