"""`make exports`: how large exported models are, and how fast they answer, side by side.

A network for images as large as MNIST's (784-100-10, a fifth of the pixels not zero) and one for a
small table are trained for an epoch and exported. Each way of asking them is a process of its own
with one thread; it is told how many microseconds a row takes, rows coming one by one and 1,000 at
a time (medians over repeats, which are interleaved), and how many seconds the first answer takes
from the start of the process.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np

ROWS = 1000

ASK = """
import json, sys, time
path, rows = sys.argv[1], json.load(open(sys.argv[2]))
{load}
def seconds_per_row(batches):
    start = time.perf_counter()
    for batch in batches:
        answer(batch)
    return (time.perf_counter() - start) / sum(map(len, batches))
answer(rows[:1])
print("ready", flush=True)
for line in sys.stdin:
    singles = [rows[i : i + 1] for i in range(200)]
    print(json.dumps([seconds_per_row(singles), seconds_per_row([rows])]), flush=True)
"""

PYTHON = """
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("model", path)
model = module_from_spec(spec)
spec.loader.exec_module(model)
answer = model.predict_proba
"""

ONNXRUNTIME = """
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(path, options)
inputs = [(each.name, {"tensor(float)": "f", "tensor(double)": "d"}.get(each.type, "O"))
          for each in session.get_inputs()]
def answer(rows):
    if len(inputs) == 1:
        feeds = {inputs[0][0]: numpy.array(rows, inputs[0][1])}
    else:
        feeds = {name: numpy.array(column, kind)[:, None]
                 for (name, kind), column in zip(inputs, zip(*rows))}
    return session.run(["probabilities"], feeds)[0].tolist()
"""

WAYS = {
    "onnxruntime": (".onnx", ONNXRUNTIME, ()),
    "Python with NumPy": (".py", PYTHON, ()),
    "Python alone": (".py", PYTHON, ("-S",)),
}
"""How a model is asked: the file's suffix, the code that opens it, flags of the interpreter."""


def mlp(*arguments: object) -> None:
    command = [sys.executable, "-m", "mlpcli", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def images(folder: Path) -> tuple[Path, list[list[float]]]:
    """(a trained 784-100-10, rows for it)."""
    rng = np.random.default_rng(0)
    X = rng.integers(1, 256, (ROWS, 28, 28), np.uint8) * (rng.random((ROWS, 28, 28)) < 0.19)
    np.savez(folder / "images.npz", X=X, y=np.arange(ROWS) % 10)
    model = folder / "images-model.npz"
    mlp("train", "--data", folder / "images.npz", "--hidden", 100, "--epochs", 1, "-o", model, "-q")
    return model, X.reshape(ROWS, -1).tolist()


def table(folder: Path) -> tuple[Path, list[list[float]]]:
    """(a trained model of a table with four columns and three classes, rows for it)."""
    X = np.random.default_rng(0).normal(size=(ROWS, 4)).round(3)
    labels = np.array(["low", "middle", "high"])[np.digitize(X.sum(axis=1), [-1, 1])]
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["length", "width", "height", "weight", "class"])
        writer.writerows([*row, label] for row, label in zip(X.tolist(), labels, strict=True))
    model = folder / "table-model.npz"
    mlp("train", "--data", folder / "table.csv", "--epochs", 1, "-o", model, "-q")
    return model, X.tolist()


def start(
    code: str, path: Path, rows: Path, flags: tuple[str, ...]
) -> tuple[float, subprocess.Popen[str]]:
    """(seconds to the first answer, the process)."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *flags, "-c", ASK.replace("{load}", code), str(path), str(rows)],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return time.perf_counter() - begun, process


def ask(process: subprocess.Popen[str]) -> list[float]:
    """Seconds per row: one by one, and 1,000 at a time."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    seconds: list[float] = json.loads(process.stdout.readline())
    return seconds


def measure(model: Path, values: list[list[float]], repeats: int) -> None:
    """Print a line for each way."""
    rows = model.with_suffix(".json")
    rows.write_text(json.dumps(values))
    running: dict[str, tuple[Path, float, subprocess.Popen[str], list[list[float]]]] = {}
    for name, (suffix, code, flags) in WAYS.items():
        if suffix == ".onnx" and not (find_spec("onnx") and find_spec("onnxruntime")):
            print(f"{name}: left out, onnx and onnxruntime are not installed", file=sys.stderr)
            continue
        target = model.with_suffix(suffix)
        mlp("export", model, target, "-q")
        first, process = start(code, target, rows, flags)
        running[name] = (target, first, process, [])
    for _ in range(repeats):
        for _, _, process, seconds in running.values():
            seconds.append(ask(process))
    for name, (target, first, process, seconds) in running.items():
        process.communicate()
        single, many = (1e6 * median(column) for column in zip(*seconds, strict=True))
        print(
            f"| {model.stem} | {name} | {target.stat().st_size / 1000:,.0f} | {first:.2f} "
            f"| {single:,.0f} | {many:,.1f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    print("| model | way | kB | s to the first answer | µs per row, one by one | 1,000 at a time |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for make in (images, table):
            measure(*make(Path(folder)), repeats)


if __name__ == "__main__":
    main()
