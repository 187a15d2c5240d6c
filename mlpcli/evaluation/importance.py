"""What matters: the score that is lost when a column's values are shuffled among the rows.

(Permutation importance: Breiman 2001, Random Forests, section 10.) A column is shuffled as it was
read, so that one-hot inputs, an indicator and what a date falls on count as their column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.encoding import Encoding, columns_of
from mlpcli.data.split import Split
from mlpcli.errors import UsageError
from mlpcli.evaluation.metrics import score_members
from mlpcli.nn.network import MLP
from mlpcli.records import record
from mlpcli.tasks.task import Task
from mlpcli.text import aligned

REPEATS = 5
"""How often each column is shuffled."""

_MOST = 5_000_000  # rows to score in all; of more, evenly spaced ones
_UNITS = 1_000_000_000  # to compute for them in all, so that of very many classes it takes seconds


@record
class Importance:
    """What a column is worth.

    Attributes:
        column: its name, or "column 3" if it has none.
        lost: (repeats,) by how much the score is worse with its values shuffled.
    """

    column: str
    lost: Array

    @property
    def mean(self) -> float:
        return float(self.lost.mean())

    @property
    def deviation(self) -> float:
        """Over the repeats (of the population, as scikit-learn has it)."""
        return float(self.lost.std())


@record
class Importances:
    """What every column is worth, the most first.

    Attributes:
        figure: the score: "accuracy" or "rmse".
        samples: how many rows were scored.
    """

    figure: str
    samples: int
    columns: Sequence[Importance]

    def to_json(self) -> list[dict[str, float | str]]:
        """As `evaluate --json` has it."""
        return [
            {"column": c.column, "lost": c.mean, "deviation": c.deviation} for c in self.columns
        ]

    def rows(self) -> list[tuple[str, str]]:
        """(the column, what is lost without it) for a person."""
        scale, unit = (100, " %") if self.figure == "accuracy" else (1, "")
        return [
            (c.column, f"{_rounded(scale * c.mean, unit)} ± {_rounded(scale * c.deviation, unit)}")
            for c in self.columns
        ]

    @property
    def heading(self) -> str:
        return "accuracy lost" if self.figure == "accuracy" else "RMSE added"


def measure_importance(
    members: Sequence[tuple[MLP, Encoding]],
    splits: Sequence[Split],
    task: Task,
    orders: Sequence[Array] | None = None,
) -> Importances:
    """Shuffle each column of a table, and score the network or the committee again.

    Args:
        members: networks with their encodings.
        splits: for each of them the same rows, in the columns that it takes.
        task: what is scored.
        orders: (n,) permutations of the rows, one per repeat; by default `REPEATS` drawn from a
            fixed seed, of evenly spaced rows if there are very many.

    Raises:
        UsageError: the rows are images.
    """
    if any(encoding.pixels for _, encoding in members):
        raise UsageError("--importance is of the columns of a table; these rows are images")
    columns = columns_of([encoding for _, encoding in members])
    if orders is None:
        rng = np.random.default_rng(0)
        units = sum(sum(net.sizes) for net, _ in members)
        most = min(_MOST, _UNITS // units) // (REPEATS * len(columns))
        n = min(len(splits[0]), max(1, most))
        orders = [rng.permutation(n) for _ in range(REPEATS)]
    parts = [_copied(split, len(orders[0])) for split in splits]
    figure = task.headline

    def score() -> float:
        return score_members(members, parts, task).figures[figure]

    base, sign = score(), task.upward
    found: list[Importance] = []
    for column, where in columns:
        places = [(parts[member], j) for member, j in where.items()]
        kept = [part.X[:, j].copy() for part, j in places]
        lost = []
        for order in orders:
            for (part, j), values in zip(places, kept, strict=True):
                part.X[:, j] = values[order]
            lost.append(sign * (base - score()))
        for (part, j), values in zip(places, kept, strict=True):
            part.X[:, j] = values
        found.append(Importance(column, np.array(lost)))
    found.sort(key=lambda c: -c.mean)
    return Importances(figure, len(orders[0]), found)


def importance_table(found: Importances) -> str:
    """The importances as text, with what they are."""
    rows: list[tuple[str, ...]] = [("column shuffled", found.heading), *found.rows()]
    return f"{aligned(rows)}\n({REPEATS} times, over {found.samples:,} samples)"


def _copied(split: Split, n: int) -> Split:
    """n evenly spaced rows of a split, in an array of their own."""
    rows = split.rows[np.linspace(0, len(split) - 1, n).astype(np.intp)]
    X, y = np.array(split.X[rows]), split.y[rows]
    weights = None if split.weights is None else split.weights[rows]
    return replace(split, X=X, y=y, rows=np.arange(n), weights=weights)


def _rounded(value: float, unit: str) -> str:
    return f"{value:z.2f}{unit}" if unit else f"{value:z.4g}"
