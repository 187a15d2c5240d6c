"""The second part of `make tables`: whether members gain by sharing their matrix products.

One layer's arithmetic of a step, products forward, back and for the gradient, and some passes over
its outputs, in one thread: by K members one after the other, and by (K, …) arrays at once. Beside
it stands what processes of their own do, of which as many work at once as there are cores.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is imported

import numpy as np

MEMBERS = 4
LAYERS = [(128, 256, 256), (128, 64, 256), (128, 20, 100), (32, 16, 64), (16, 8, 8)]
REPEATS, SECONDS = 15, 0.02


def layer(A: Any, W: Any, Z: Any, delta: Any, of_W: Any, back: Any) -> Callable[[], None]:
    """A layer's work, on arrays of one member or of all."""

    def work() -> None:
        np.matmul(A, W, out=Z)
        np.maximum(Z, 0, out=Z)
        np.greater(Z, 0, out=delta)
        np.multiply(delta, Z, out=delta)
        np.matmul(A.swapaxes(-1, -2), delta, out=of_W)
        np.matmul(delta, W.swapaxes(-1, -2), out=back)
        np.multiply(of_W, 0.9, out=of_W)
        np.add(W, of_W, out=of_W)

    return work


def arrays(n: int, inputs: int, outputs: int) -> list[Any]:
    rng = np.random.default_rng(0)
    shapes = [(n, inputs), (inputs, outputs), *[(n, outputs)] * 2, (inputs, outputs), (n, inputs)]
    return [rng.standard_normal((MEMBERS, *shape)).astype(np.float32) for shape in shapes]


def seconds_of(work: Callable[[], None]) -> float:
    """Of one call, by as many as take a fiftieth of a second."""
    calls, spent = 0, 0.0
    begun = time.perf_counter()
    while spent < SECONDS:
        work()
        calls += 1
        spent = time.perf_counter() - begun
    return spent / calls


def measure(n: int, inputs: int, outputs: int) -> tuple[float, float]:
    """Median seconds of K members (one after the other, at once), in turn."""
    of_all = arrays(n, inputs, outputs)
    at_once = layer(*of_all)
    each = [layer(*(a[k].copy() for a in of_all)) for k in range(MEMBERS)]

    def in_turn() -> None:
        for work in each:
            work()

    pairs = [(seconds_of(in_turn), seconds_of(at_once)) for _ in range(REPEATS)]
    return median(a for a, _ in pairs), median(b for _, b in pairs)


def main() -> None:
    print(
        f"| rows, inputs, units | {MEMBERS} in turn, µs | at once, µs | ratio |\n|---|---|---|---|"
    )
    for shape in LAYERS:
        in_turn, at_once = measure(*shape)
        micro = f"{1e6 * in_turn:,.0f} | {1e6 * at_once:,.0f}"
        print(f"| {', '.join(map(str, shape))} | {micro} | {in_turn / at_once:.2f} |")


if __name__ == "__main__":
    main()
