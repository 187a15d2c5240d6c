"""`make reading`: how fast tables are read, beside pandas, and how much memory training takes.

    python tests/bench/reading.py --rows 1000000

Two tables of 20 columns are generated: numbers alone, and mixed columns (numbers, gaps, categories
of 2 to 1,000 values, dates, truth values). Each is read by `pandas.read_csv` (the C engine) and by
mlp in turn, each time in a process of its own, and the medians of processor seconds are shown. Then
one epoch is trained on the mixed one, and its memory is compared with that of a run on 100 rows.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

PROMISED = {"numbers": 0.40, "mixed": 0.15}  # of pandas' speed
MOST_MEMORY = 3  # times the table as float32
COLUMNS = 20


def generate(folder: Path, rows: int) -> None:
    """Write the tables, and a beginning of the mixed one."""
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal((rows, COLUMNS))
    paths = {name: folder / f"{name}.csv" for name in ("numbers", "mixed", "small")}
    names = ",".join(f"x{j}" for j in range(COLUMNS))
    np.savetxt(paths["numbers"], numbers, "%.4f", ",", header=names, comments="")
    columns: dict[str, np.ndarray] = {f"n{j}": numbers[:, j].round(3) for j in range(6)}
    columns |= {f"i{j}": rng.integers(0, 10 ** (j + 1), rows) for j in range(4)}
    for values in (2, 5, 20, 100, 1000):
        texts = np.array([f"cat{k}" for k in range(values)])
        columns[f"c{values}"] = texts[rng.integers(0, values, rows)]
    gaps = rng.random(rows) < 0.1
    columns["gaps"] = np.where(gaps, "", numbers[:, 7].round(2).astype(str))
    columns["NA"] = np.where(gaps, "NA", rng.integers(0, 99, rows).astype(str))
    days = np.datetime64("2015-01-01") + rng.integers(0, 2000, rows)
    columns["date"] = days.astype(str)
    columns["truth"] = rng.random(rows) < 0.5
    columns["label"] = np.where(numbers[:, 0] + (columns["c5"] == "cat1") > 0, "yes", "no")
    with paths["mixed"].open("w") as file, paths["small"].open("w") as small:
        for number, row in enumerate([tuple(columns), *zip(*columns.values(), strict=True)]):
            line = ",".join(map(str, row)) + "\n"
            file.write(line)
            small.write(line if number <= 100 else "")


def read(reader: str, path: str) -> None:
    """Read the table and print the processor seconds; in a process of its own."""
    if reader == "pandas":
        import pandas as pd

        begun = time.process_time()
        pd.read_csv(path, engine="c")
    else:
        from mlpcli.data.formats.rows import open_paths

        begun = time.process_time()
        open_paths([path])
    print(time.process_time() - begun)


def seconds(reader: str, path: Path) -> float:
    command = [sys.executable, __file__, "--read", reader, "--path", str(path)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(output.stdout)


def training_memory(path: Path, folder: Path) -> float:
    """The most memory of one epoch on the table, in bytes."""
    command = [sys.executable, "-m", "mlpcli", "train", "--data", str(path), "--epochs", "1"]
    command += ["--threads", "1", "-q", "-o", str(folder / "m.npz")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0
    return used.ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--read", choices=["pandas", "mlp"], help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    parser.add_argument("--generate", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.generate:
        generate(asked.generate, asked.rows)
        return
    if asked.read:
        read(asked.read, asked.path)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = {table: folder / f"{table}.csv" for table in ("numbers", "mixed", "small")}
        # In a process of its own: what this one has taken would count for those that it starts.
        again = [sys.executable, __file__, "--rows", str(asked.rows), "--generate", str(folder)]
        subprocess.run(again, check=True)
        for table, promised in PROMISED.items():
            both = [
                [seconds(reader, paths[table]) for reader in ("pandas", "mlp")]
                for _ in range(asked.repeats)
            ]
            theirs, ours = (median(column) for column in zip(*both, strict=True))
            print(
                f"{table:8s} {paths[table].stat().st_size / 1e6:6.1f} MB   "
                f"pandas {theirs:6.2f} s   mlp {ours:6.2f} s   "
                f"{theirs / ours:4.0%} of its speed (at least {promised:.0%})"
            )
        size = 4.0 * asked.rows * COLUMNS
        extra = training_memory(paths["mixed"], folder) - training_memory(paths["small"], folder)
        print(
            f"training takes {extra / 2**20:.0f} MiB beyond the base, {extra / size:.2f} times the "
            f"table as float32 (at most {MOST_MEMORY})"
        )


if __name__ == "__main__":
    main()
