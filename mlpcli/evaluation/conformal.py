"""How far off a regression's answers are: split conformal prediction.

Of n rows that a network has not been trained on, let r be the ⌈(n + 1)·0.9⌉-th smallest distance
of answer and target. A new row, drawn as these were, then lies within r of its answer with a
probability of at least 90 %, whatever the network and the distribution are (Papadopoulos et al.
2002; Lei, G'Sell, Rinaldo, Tibshirani & Wasserman 2018, J. Am. Stat. Assoc. 113, theorem 2.2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.encoding import Encoding
from mlpcli.data.split import Split
from mlpcli.evaluation.metrics import predict_members
from mlpcli.nn.network import MLP
from mlpcli.tasks.regression import Regression

PERCENT = 90
"""Of new rows that lie within the interval."""

FEWEST = 9
"""Of fewer rows no distance is large enough."""

_MOST = 10_000  # rows of which distances are kept: the share within varies by 0.3 % then


def measure_residuals(net: MLP, encoding: Encoding, task: Regression, held_out: Split) -> Array:
    """(n,) the distances of answers and targets of held-out rows, sorted, in the target's unit.

    Of very many rows, of those that are evenly spaced.
    """
    n = min(len(held_out), _MOST)
    rows = held_out.rows[np.linspace(0, len(held_out) - 1, n).astype(np.intp)]
    said = predict_members([(net, encoding)], replace(held_out, rows=rows), task)[1]
    distances: Array = np.sort(np.abs(said.answers - task.decode(said.y)))
    return distances


def half_width(residuals: Array) -> float:
    """What is to be added to an answer and taken from it, of held-out residuals (n,).

    Raises:
        ValueError: there are fewer than `FEWEST`.
    """
    n = len(residuals)
    rank = -(-(n + 1) * PERCENT // 100)
    if rank > n:
        raise ValueError(f"{n} rows are too few; at least {FEWEST} are needed")
    return float(np.partition(residuals, rank - 1)[rank - 1])


class ResidualsOfBest:
    """The residuals of a run's best weights, measured when a checkpoint is written.

    Args:
        measure: of weights (P,).
    """

    def __init__(self, measure: Callable[[Array], Array]) -> None:
        self._measure = measure
        self._epoch, self._found = -1, np.empty(0)

    def of(self, weights: Array, epoch: int) -> Array:
        """(n,) residuals of the weights of an epoch, which is 0 within the first one."""
        if epoch != self._epoch or not epoch:
            self._epoch, self._found = epoch, self._measure(weights)
        return self._found
