"""Thousands of classes: memory grows with N + C·H, and what is said of them is right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mlpcli.tasks.classification import ClassReport

C = 6_000
MEGABYTES = 190  # the interpreter and NumPy have 60; C² float32 numbers would be 144 more


_MEASURED = """
import re, runpy
from pathlib import Path
try:
    runpy.run_module("mlpcli", run_name="__main__")
finally:  # ru_maxrss is of the parent, too
    status = Path("/proc/self/status").read_text()
    Path("peak").write_text(re.search(r"VmHWM:\\s*(\\d+)", status)[1])
"""


def run_within_bounds(folder: Path, *arguments: str) -> str:
    """Standard output of `mlp` as a process that stays small."""
    out = subprocess.run(
        [sys.executable, "-c", _MEASURED, *arguments],
        cwd=folder,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "MLP_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        check=True,
    ).stdout
    assert int((folder / "peak").read_text(encoding="ascii")) / 1000 < MEGABYTES
    return out


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_square_of_the_classes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values, labels = rng.random((2 * C, 2)), np.arange(2 * C) % C
    rows = [f"{a:.3f},{b:.3f},k{y}\n" for (a, b), y in zip(values, labels, strict=True)]
    (tmp_path / "many.csv").write_text("".join(rows), encoding="ascii")
    (tmp_path / "few.csv").write_text("".join(rows[:50]), encoding="ascii")
    plan = ("--hidden", "4", "--epochs", "1", "--batch-size", "256", "--test-fraction", "0.02")
    run_within_bounds(tmp_path, "train", "--data", "many.csv", *plan)
    shown = json.loads(run_within_bounds(tmp_path, "evaluate", "model.npz", "--json"))
    assert (len(shown["per_class"]), shown["confusion"]) == (C, None)
    assert sum(row["support"] for row in shown["per_class"]) == shown["samples"]
    said = run_within_bounds(tmp_path, "evaluate", "model.npz", "model.npz")
    assert said.rstrip().endswith("(there is no confusion matrix of more than 2,000 classes)")
    run_within_bounds(tmp_path, "predict", "model.npz", "few.csv", "--probabilities")
    pytest.importorskip("matplotlib")
    run_within_bounds(tmp_path, "evaluate", "model.npz", "--report", "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"Of {C:,} classes there is no confusion matrix." in page
    assert len(page) < 200_000


def test_what_classes_are_confused_is_counted() -> None:
    rng = np.random.default_rng(1)
    y, predicted = rng.integers(0, 3000, 5000), rng.integers(0, 3000, 5000)
    y[:40], predicted[:40] = 7, np.where(np.arange(40) < 30, 2999, 7)
    report = ClassReport(y, predicted, 3000, 0.0)
    pairs = zip(y.tolist(), predicted.tolist(), strict=True)
    counts = Counter((t, p) for t, p in pairs if t != p)
    found = report.confused()
    assert {(t, p): n for t, p, n in found} == counts
    assert found[0] == (7, 2999, counts[7, 2999])
    assert [n for _, _, n in found] == sorted(counts.values(), reverse=True)
    of_seven = {p: n for (t, p), n in counts.items() if t == 7}
    assert {p: n for _, p, n in report.confused(7)} == of_seven
